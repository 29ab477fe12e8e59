/** `published-configs/<model>`: files that Kiln must be able to read, by component, and the index of the model. */
import { dirname, join } from 'node:path';
import { parseNoiseScheduleConfig } from '../../../workers/render/diffusion/noise-schedule.ts';
import { createSampler, ownSampler } from '../../../workers/render/diffusion/samplers/create-sampler.ts';
import { parseClipTextConfig } from '../../../workers/render/onnx/clip-text.ts';
import { parseDepthProcessor } from '../../../workers/render/onnx/depth-processor.ts';
import { parseDptConfig } from '../../../workers/render/onnx/dpt-config.ts';
import { INDEX_FILE, kindsOf, readIndex } from '../../../workers/render/onnx/pipeline.ts';
import { parseUnetConfig } from '../../../workers/render/onnx/unet-config.ts';
import { parseVaeConfig } from '../../../workers/render/onnx/vae.ts';
import { entriesOf, exists, readJson } from '../files.ts';
import type { GoldenCase, Kind } from '../golden-case.ts';

const FOLDER = 'published-configs';

interface Reader {
  /** Below the entry; the entry itself when absent. */
  readonly file?: string;
  /** Throws, or rejects, when it cannot follow the file. */
  readonly read: (json: unknown, path: string) => unknown;
}

/** By the name of the entry in the model's folder. */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [INDEX_FILE, { read: readKinds }],
  ['scheduler', { file: 'scheduler_config.json', read: readSchedule }],
  ['low_res_scheduler', { file: 'scheduler_config.json', read: parseNoiseScheduleConfig }],
  ['text_encoder', { file: 'config.json', read: parseClipTextConfig }],
  ['unet', { file: 'config.json', read: parseUnetConfig }],
  ['vae', { file: 'config.json', read: parseVaeConfig }],
  ['depth_estimator', { file: 'config.json', read: parseDptConfig }],
  ['feature_extractor', { file: 'preprocessor_config.json', read: readProcessor }],
]);

export const publishedConfigs: Kind = {
  matches: (entry) => entry === FOLDER,
  async cases(root) {
    const cases: GoldenCase[] = [];
    for (const model of await entriesOf(join(root.dir, FOLDER))) {
      for (const entry of await entriesOf(join(root.dir, FOLDER, model))) {
        cases.push(entryCase(root.dir, join(FOLDER, model), entry));
      }
    }
    return cases;
  },
};

function entryCase(dir: string, model: string, entry: string): GoldenCase {
  const name = `${model}/${entry}`;
  const reader = READERS.get(entry);
  if (reader === undefined) return { name, skip: 'Kiln reads no such component' };
  const path = join(dir, name, reader.file ?? '');
  return {
    name,
    tolerance: 0,
    measure: async () => {
      await reader.read(await readJson(path), path);
      return { error: 0 };
    },
  };
}

function readSchedule(json: unknown): void {
  const config = parseNoiseScheduleConfig(json);
  const name = ownSampler(config);
  if (name === null) throw new Error(`Kiln has no sampler for ${config.className}`);
  createSampler(name, config, { steps: 50 });
}

/** Models without a depth estimator keep the processor of a safety checker there, which Kiln does not read. */
async function readProcessor(json: unknown, path: string): Promise<void> {
  const estimator = join(dirname(path), '..', 'depth_estimator');
  if (await exists(estimator)) parseDepthProcessor(json, path);
}

/** What the model can do follows from the index together with the UNet's config. */
async function readKinds(_json: unknown, path: string): Promise<void> {
  const folder = dirname(path);
  const unetPath = join(folder, 'unet', 'config.json');
  kindsOf(await readIndex(folder), parseUnetConfig(await readJson(unetPath), unetPath), unetPath);
}
