import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { JobView } from '../../contract/job.ts';
import { JOB_KINDS, OUTPUT_FORMATS, PRIORITIES } from '../../domain/job.ts';
import { SAMPLER_NAMES } from '../../contract/samplers.ts';
import type { KilnClient } from '../client.ts';
import { farmClient } from '../farm-client.ts';
import { followJob } from '../follow-job.ts';
import { untilStopSignal } from '../signals.ts';

interface SubmitOptions {
  readonly wait?: boolean;
  readonly out: string;
  readonly format?: string;
  readonly [field: string]: unknown;
}

/** Those that the API knows by the same name in snake case. */
const FIELDS = [
  'kind',
  'model',
  'negativePrompt',
  'width',
  'height',
  'steps',
  'guidanceScale',
  'sampler',
  'seed',
  'images',
  'strength',
  'noiseLevel',
  'priority',
] as const;
/** Those that may name a file, which is sent ahead. */
const IMAGE_FIELDS = ['image', 'mask', 'depthMap'] as const;

export function submitCommand(): Command {
  return new Command('submit')
    .description('submit one job; with --wait, stay until its images are here')
    .argument('<prompt>')
    .addOption(new Option('--kind <kind>', 'without it, what the images say').choices(JOB_KINDS))
    .option('--model <name>')
    .option('--negative-prompt <text>')
    .option('--width <pixels>', '', toNumber)
    .option('--height <pixels>', '', toNumber)
    .option('--steps <count>', '', toNumber)
    .option('--guidance-scale <number>', '', toNumber)
    .addOption(new Option('--sampler <name>').choices(SAMPLER_NAMES))
    .option('--seed <number>', '', toNumber)
    .option('--images <count>', 'pictures to make of it', toNumber)
    .option('--image <file>', 'to start from: a file, a URL, or the id of an upload')
    .option('--mask <file>', 'white is painted anew: inpainting')
    .option('--depth-map <file>', 'for the kind depth, instead of an estimate')
    .option('--strength <number>', '', toNumber)
    .option('--noise-level <number>', 'of the kind upscale', toNumber)
    .option('--upscale', 'a second stage makes it 4 times as wide and as high')
    .addOption(new Option('--priority <name>').choices(PRIORITIES))
    .addOption(new Option('--format <name>').choices(OUTPUT_FORMATS))
    .option('--wait', 'follow the job and fetch its images')
    .option('--out <folder>', 'where --wait puts them', '.')
    .action(submit);
}

/** Exits with 1 when the job that was waited for has no images. */
async function submit(prompt: string, options: SubmitOptions): Promise<void> {
  const client = farmClient(process.env);
  const job = await client.submit(await requestOf(prompt, options, client));
  if (options.wait !== true) {
    console.log(job.id);
    console.error(job.links.self);
    return;
  }
  const stopping = new AbortController();
  void untilStopSignal(() => undefined).then(() =>
    stopping.abort(new Error(`job ${job.id} goes on without you`)),
  );
  const ended = await followJob(client, job, stopping.signal);
  if (ended.state !== 'succeeded') {
    const reason = ended.error === null ? '' : `: ${ended.error.message} (${ended.error.code})`;
    throw new Error(`job ${ended.id} ${ended.state}${reason}`);
  }
  for (const file of await saveImages(client, ended, options.out)) console.log(file);
}

async function requestOf(
  prompt: string,
  options: SubmitOptions,
  client: KilnClient,
): Promise<Record<string, unknown>> {
  const request: Record<string, unknown> = { kind: kindOf(options), prompt };
  for (const field of FIELDS) if (options[field] !== undefined) request[snakeCase(field)] = options[field];
  for (const field of IMAGE_FIELDS) {
    const value = options[field];
    if (typeof value === 'string') request[snakeCase(field)] = await inputOf(value, client);
  }
  if (options['upscale'] === true) request['upscale'] = true;
  if (options.format !== undefined) request['output'] = { format: options.format };
  return request;
}

function kindOf({ mask, depthMap, image }: SubmitOptions): string {
  if (mask !== undefined) return 'inpaint';
  if (depthMap !== undefined) return 'depth';
  return image === undefined ? 'txt2img' : 'img2img';
}

async function inputOf(value: string, client: KilnClient): Promise<string> {
  if (/^(?:https?:\/\/|up_[0-9a-f]{64}$|data:)/.test(value)) return value;
  const file = await readFile(value);
  const { id } = await client.upload(new Uint8Array(file));
  return id;
}

async function saveImages(client: KilnClient, job: JobView, out: string): Promise<string[]> {
  await mkdir(out, { recursive: true });
  const { id, images, depth_map: depthMap } = job;
  const files = images.map((image) => ({ ...image, name: `${id}-${image.n}` }));
  if (depthMap !== null) files.push({ ...depthMap, n: 0, seed: 0, name: `${id}-depth-map` });
  return Promise.all(
    files.map(async ({ url, name, content_type: type }) => {
      const path = join(out, `${name}.${type.replace('image/', '')}`);
      await writeFile(path, await client.download(url));
      return path;
    }),
  );
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toNumber(text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('must be a number');
}
