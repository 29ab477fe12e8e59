/** `cases.json`: requests against a whole model, and the images that came out of diffusers. */
import { dirname, join } from 'node:path';
import { SAMPLER_NAMES, type SamplerName } from '../../../src/contract/samplers.ts';
import { parseNoiseScheduleConfig } from '../../../workers/render/diffusion/noise-schedule.ts';
import { ownSampler } from '../../../workers/render/diffusion/samplers/create-sampler.ts';
import { readLayout } from '../../../workers/render/onnx/model-layout.ts';
import { entriesOf, exists, firstExisting, readJson } from '../files.ts';
import type { GoldenCase, GoldenRoot, Kind } from '../golden-case.ts';
import { list, record, text, type Json } from '../json.ts';
import { depthToImage } from '../tasks/depth.ts';
import { imageToImage } from '../tasks/image-to-image.ts';
import { inpaint } from '../tasks/inpaint.ts';
import { measureCase } from '../tasks/measure.ts';
import { COMMON_KEYS } from '../tasks/parameters.ts';
import type { Task } from '../tasks/task.ts';
import { textToImage } from '../tasks/text-to-image.ts';
import { upscale } from '../tasks/upscale.ts';

/** Images in 0..1. */
const TOLERANCE = 4e-3;
const CASES = 'cases.json';
/** The model's own sampler, as its schedule file names it. */
const OWN = 'own';
/** What every case has, besides parameters. */
const CASE_KEYS = ['scheduler', 'out'];

const TASKS: Readonly<Record<string, Task>> = {
  txt2img: textToImage,
  img2img: imageToImage,
  depth2img: depthToImage,
  inpaint,
  'inpaint-4ch': inpaint,
  upscale,
};

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

interface TaskFolder {
  readonly folder: string;
  readonly task: string;
}

interface ModelFolder {
  readonly folder: string;
  readonly ownSampler: SamplerName | null;
}

async function folderCases(root: GoldenRoot, at: TaskFolder): Promise<GoldenCase[]> {
  const file = record(await readJson(join(at.folder, CASES)));
  const name = text(file['model']);
  const model = await findModel(root, name);
  return list(file['cases']).map((item, i) => {
    const request = record(item);
    const caseName = `pipelines/${at.task}/${i}-${text(request['scheduler'])}`;
    return model === undefined
      ? { name: caseName, skip: `there is no model "${name}"` }
      : pipelineCase({ name: caseName, request, model, at });
  });
}

async function findModel(root: GoldenRoot, name: string): Promise<ModelFolder | undefined> {
  const index = await firstExisting(
    root.modelFolders.map((folder) => join(folder, name, 'model_index.json')),
  );
  if (index === undefined) return undefined;
  const folder = dirname(index);
  const layout = await readLayout(folder);
  const schedule = await readJson(join(layout.folderOf('scheduler'), 'scheduler_config.json'));
  return { folder, ownSampler: ownSampler(parseNoiseScheduleConfig(schedule)) };
}

interface CaseParts {
  readonly name: string;
  readonly request: Json;
  readonly model: ModelFolder;
  readonly at: TaskFolder;
}

function pipelineCase({ name, request, model, at }: CaseParts): GoldenCase {
  const task = TASKS[at.task];
  if (task === undefined) return { name, skip: `the task ${at.task} is not built` };
  const wanted = text(request['scheduler']);
  const sampler = wanted === OWN ? model.ownSampler : SAMPLER_NAMES.find((known) => known === wanted);
  if (sampler === undefined || sampler === null) return { name, skip: `the sampler ${wanted} is not built` };
  const unknown = unknownKey(task, request);
  if (unknown !== undefined) return { name, skip: `the parameter ${unknown} is not built` };
  const golden = { request, sampler, folder: at.folder, modelFolder: model.folder, tolerance: TOLERANCE };
  return { name, tolerance: TOLERANCE, measure: () => measureCase(task, golden) };
}

function unknownKey(task: Task, request: Json): string | undefined {
  const known = [...CASE_KEYS, ...COMMON_KEYS, ...task.keys];
  return Object.keys(request).find((key) => !known.includes(key));
}
