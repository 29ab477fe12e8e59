import { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import { formatByteSize } from '../../domain/byte-size.ts';
import { findModels, readModelFolder } from '../../../workers/render/onnx/model-folder.ts';
import { verifyModelFolder, type PartReport } from '../../../workers/render/onnx/verify-model.ts';
import { formatTable, type Column } from '../table.ts';
import { pullCommand } from './models-pull.ts';

const MIB = 1024 * 1024;

type Listing = { readonly name: string; readonly path: string; readonly about: string };

const COLUMNS: ReadonlyArray<Column<Listing>> = [
  { title: 'name', align: 'left', text: ({ name }) => name },
  { title: 'about', align: 'left', text: ({ about }) => about },
  { title: 'folder', align: 'left', text: ({ path }) => path },
];

export function modelsCommand(): Command {
  const models = new Command('models').description('look at the models on this machine, fetch more');
  models
    .command('list')
    .description('what the folders of KILN_MODELS_DIR and the embedded one hold')
    .action(listModels);
  models
    .command('verify')
    .argument('<folder>', 'a model as published, with its model_index.json')
    .description('check every tensor of a model against its configs, without loading it')
    .action(verifyModel);
  models.addCommand(pullCommand());
  return models;
}

async function listModels(): Promise<void> {
  const { modelDirs } = loadConfig(process.env);
  const found = await findModels(modelDirs);
  const rows = await Promise.all(
    found.map(async ({ name, path }) => ({ name, path, about: await about(path, modelDirs) })),
  );
  console.log(rows.length === 0 ? `No models in ${modelDirs.join(', ')}` : formatTable(COLUMNS, rows));
}

/** A model that cannot be read is listed with the reason, since it is the one somebody is looking for. */
async function about(path: string, roots: readonly string[]): Promise<string> {
  try {
    const { kinds, memoryBytes, defaultWidth, defaultHeight } = await readModelFolder(path, { roots });
    return `${kinds.join(', ')}, ${defaultWidth}x${defaultHeight}, takes ${formatByteSize(memoryBytes)}`;
  } catch (error) {
    return `cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Exits with 1 for a model that cannot be used, so that a script can ask. */
async function verifyModel(folder: string): Promise<void> {
  const { modelDirs } = loadConfig(process.env);
  const { name, path, kinds, isSound, parts } = await verifyModelFolder(folder, { roots: modelDirs });
  console.log(`${name} (${path})`);
  for (const part of parts) console.log(partLines(part));
  console.log(isSound ? `sound: ${kinds.join(', ')}` : 'cannot be used');
  if (!isSound) process.exitCode = 1;
}

function partLines({ name, weights, problems }: PartReport): string {
  const size =
    weights === undefined ? '' : `, ${weights.tensors} tensors, ${(weights.bytes / MIB).toFixed(1)} MiB`;
  const verdict =
    problems.length === 0 ? 'ok' : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`;
  return [`  ${name}: ${verdict}${size}`, ...problems.map((problem) => `    ${problem}`)].join('\n');
}
