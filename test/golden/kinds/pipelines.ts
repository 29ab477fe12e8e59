/** `cases.json`: requests against a whole model, and the images that came out of diffusers. */
import { join } from 'node:path';
import { SAMPLER_NAMES, type SamplerName } from '../../../src/contract/samplers.ts';
import { parseNoiseScheduleConfig } from '../../../workers/render/diffusion/noise-schedule.ts';
import { ownSampler } from '../../../workers/render/diffusion/samplers/create-sampler.ts';
import { entriesOf, exists, firstExisting, readJson } from '../files.ts';
import type { GoldenCase, GoldenRoot, Kind } from '../golden-case.ts';
import { list, record, text, type Json } from '../json.ts';
import { textToImage } from '../tasks/text-to-image.ts';
import type { PipelineCase, Task } from '../tasks/task.ts';

/** Images in 0..1. */
const TOLERANCE = 4e-3;
const CASES = 'cases.json';
/** The model's own sampler, as its schedule file names it. */
const OWN = 'own';
/** What every case has, besides the parameters of its task. */
const COMMON_KEYS = ['scheduler', 'out'];

const TASKS: Readonly<Record<string, Task>> = { txt2img: textToImage };

/** `pipelines/<task>/cases.json`. */
export const pipelines: Kind = {
  matches: (entry) => entry === 'pipelines',
  async cases(root, entry) {
    const cases: GoldenCase[] = [];
    for (const task of await entriesOf(join(root.dir, entry))) {
      const folder = join(root.dir, entry, task);
      if (await exists(join(folder, CASES))) cases.push(...(await folderCases(root, { folder, task })));
    }
    return cases;
  },
};

/** `cases.json` of text-to-image requests, beside its outputs. */
export const looseCases: Kind = {
  matches: (entry) => entry === CASES,
  cases: (root) => folderCases(root, { folder: root.dir, task: 'txt2img' }),
};

async function folderCases(root: GoldenRoot, at: { folder: string; task: string }): Promise<GoldenCase[]> {
  const file = record(await readJson(join(at.folder, CASES)));
  const model = text(file['model']);
  const modelFolder = await firstExisting(
    root.modelFolders.map((folder) => join(folder, model, 'model_index.json')),
  );
  const ownName = modelFolder === undefined ? null : await readOwnSampler(join(modelFolder, '..'));
  return list(file['cases']).map((item, i) => {
    const request = record(item);
    const wanted = text(request['scheduler']);
    const name = `pipelines/${at.task}/${i}-${wanted}`;
    const task = TASKS[at.task];
    const sampler = wanted === OWN ? ownName : SAMPLER_NAMES.find((known) => known === wanted);
    const unknown = task === undefined ? undefined : unknownKey(task, request);

    if (task === undefined) return { name, skip: `the task ${at.task} is not built` };
    if (modelFolder === undefined) return { name, skip: `there is no model "${model}"` };
    if (sampler === undefined || sampler === null)
      return { name, skip: `the sampler ${wanted} is not built` };
    if (unknown !== undefined) return { name, skip: `the parameter ${unknown} is not built` };
    const golden: PipelineCase = {
      request,
      sampler,
      folder: at.folder,
      modelFolder: join(modelFolder, '..'),
    };
    return { name, tolerance: TOLERANCE, measure: () => task.measure(golden) };
  });
}

function unknownKey(task: Task, request: Json): string | undefined {
  return Object.keys(request).find((key) => !COMMON_KEYS.includes(key) && !task.keys.includes(key));
}

async function readOwnSampler(modelFolder: string): Promise<SamplerName | null> {
  return ownSampler(
    parseNoiseScheduleConfig(await readJson(join(modelFolder, 'scheduler', 'scheduler_config.json'))),
  );
}
