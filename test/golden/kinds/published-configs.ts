/** `published-configs/<model>/<component>/*.json`: files that Kiln must be able to read. */
import { basename, join } from 'node:path';
import { parseNoiseScheduleConfig } from '../../../workers/render/diffusion/noise-schedule.ts';
import { createSampler, ownSampler } from '../../../workers/render/diffusion/samplers/create-sampler.ts';
import { parseClipTextConfig } from '../../../workers/render/onnx/clip-text.ts';
import { parseUnetConfig } from '../../../workers/render/onnx/unet-config.ts';
import { parseVaeConfig } from '../../../workers/render/onnx/vae.ts';
import { entriesOf, readJson } from '../files.ts';
import type { GoldenCase, Kind } from '../golden-case.ts';

const FOLDER = 'published-configs';

/** Each throws when it cannot follow the file. */
const READERS: ReadonlyMap<string, { file: string; read: (json: unknown, where: string) => void }> = new Map([
  ['scheduler', { file: 'scheduler_config.json', read: readSchedule }],
  ['text_encoder', { file: 'config.json', read: parseClipTextConfig }],
  ['unet', { file: 'config.json', read: parseUnetConfig }],
  ['vae', { file: 'config.json', read: parseVaeConfig }],
]);

export const publishedConfigs: Kind = {
  matches: (entry) => entry === FOLDER,
  async cases(root) {
    const dir = join(root.dir, FOLDER);
    const cases: GoldenCase[] = [];
    for (const model of await entriesOf(dir)) {
      for (const component of await entriesOf(join(dir, model))) {
        cases.push(componentCase(join(dir, model, component), `${FOLDER}/${model}/${component}`));
      }
    }
    return cases;
  },
};

function componentCase(folder: string, name: string): GoldenCase {
  const reader = READERS.get(basename(folder));
  if (reader === undefined) return { name, skip: 'Kiln reads no such component' };
  const path = join(folder, reader.file);
  return {
    name,
    tolerance: 0,
    measure: async () => {
      reader.read(await readJson(path), path);
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
