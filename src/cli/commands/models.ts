import { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import { findModels, readModelFolder } from '../../../workers/render/onnx/model-folder.ts';
import { formatTable, type Column } from '../table.ts';

const MIB = 1024 * 1024;

type Listing = { readonly name: string; readonly path: string; readonly about: string };

const COLUMNS: ReadonlyArray<Column<Listing>> = [
  { title: 'name', align: 'left', text: ({ name }) => name },
  { title: 'about', align: 'left', text: ({ about }) => about },
  { title: 'folder', align: 'left', text: ({ path }) => path },
];

export function modelsCommand(): Command {
  const models = new Command('models').description('look at the models on this machine');
  models
    .command('list')
    .description('what the folders of KILN_MODELS_DIR and the embedded one hold')
    .action(listModels);
  return models;
}

async function listModels(): Promise<void> {
  const { modelDirs } = loadConfig(process.env);
  const found = await findModels(modelDirs);
  const rows = await Promise.all(
    found.map(async ({ name, path }) => ({ name, path, about: await about(path) })),
  );
  console.log(rows.length === 0 ? `No models in ${modelDirs.join(', ')}` : formatTable(COLUMNS, rows));
}

/** A model that cannot be read is listed with the reason, since it is the one somebody is looking for. */
async function about(path: string): Promise<string> {
  try {
    const { kinds, bytes, defaultWidth, defaultHeight } = await readModelFolder(path);
    const does = kinds.length === 0 ? 'no kind of job that Kiln knows' : kinds.join(', ');
    return `${does}, ${defaultWidth}x${defaultHeight}, ${(bytes / MIB).toFixed(1)} MiB`;
  } catch (error) {
    return `cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
