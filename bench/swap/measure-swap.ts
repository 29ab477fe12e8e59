/** What it costs that a worker goes from one model to another: in one process, on the shelf that an engine has. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freeMemory, privateMemory } from '../../workers/render/engine/free-memory.ts';
import { ModelFiles } from '../../workers/render/engine/model-files.ts';
import { ModelShelf } from '../../workers/render/engine/model-shelf.ts';
import { readModelFolder } from '../../workers/render/onnx/model-folder.ts';
import type { SessionOptions } from '../../workers/render/onnx/session.ts';
import type { Figure } from '../report.ts';
import { median } from '../stats.ts';
import { cachedShare, dropFromPageCache } from './page-cache.ts';
import { MAPPED, SIBLING, WIDENED } from './swap-models.ts';
import { secondsOfStep, swapTo, visit, type Visit } from './visits.ts';

const MB = 1e6;
/** The shelf's budget, in models: one fits, two do not, nor does one with a sibling's UNet. */
const ROOM = 1.3;
/** Of latents, for 512x512 pixels. */
const STEP_CELLS = 64;
/** More than this share left after the drop, and a load was not a cold one. */
const COLD_SHARE = 0.02;

const LABELS = {
  [MAPPED]: 'fp32, mapped',
  [SIBLING]: 'fine-tune of it, mapped',
  [WIDENED]: 'fp16, widened',
} as const;

export interface Measuring {
  /** Holds the models of `writeSwapModels`. */
  readonly folder: string;
  readonly options: SessionOptions;
  readonly rounds: number;
}

export async function measureSwap(measuring: Measuring): Promise<Figure[]> {
  const shelf = await openShelf(measuring);
  const mapped = await measureModel(shelf, MAPPED, measuring);
  const widened = await measureModel(shelf, WIDENED, measuring);
  const swaps = [
    ...(await measurePair(shelf, [MAPPED, SIBLING], measuring.rounds)),
    ...(await measurePair(shelf, [MAPPED, WIDENED], measuring.rounds)),
  ];
  await shelf.releaseAll();
  return [...mapped, ...widened, ...swaps];
}

async function openShelf({ folder, options }: Measuring): Promise<ModelShelf> {
  const { memoryBytes } = await readModelFolder(join(folder, MAPPED));
  return new ModelShelf({
    source: new ModelFiles([folder], options),
    budget: { total: memoryBytes * ROOM, own: privateMemory() },
    freeBytes: () => freeMemory('cpu'),
    privateBytes: privateMemory,
  });
}

async function measureModel(
  shelf: ModelShelf,
  name: keyof typeof LABELS,
  { folder, rounds }: Measuring,
): Promise<Figure[]> {
  const label = LABELS[name];
  const cold = await coldVisit(shelf, name, folder);
  const warm: Visit[] = [];
  while (warm.length < rounds) warm.push(await visit(shelf, name));
  const { model } = await shelf.load(name, async () => {});
  const step = await secondsOfStep(model, STEP_CELLS);
  await shelf.releaseAll();
  const cost = median(warm.map(({ load, firstUse, laterUse }) => load + firstUse - laterUse));
  return [
    ...coldFigures(label, cold),
    ...timesOf(`${label}: warm`, warm),
    ...memoryOf(label, cold ?? warm[0]),
    { name: `${label}: guided step 512x512`, value: step, unit: 's' },
    { name: `${label}: warm load and first use / guided step`, value: cost / step, unit: 'ratio' },
  ];
}

/** Undefined where the page cache cannot be emptied, or not of these files. */
async function coldVisit(shelf: ModelShelf, name: string, folder: string): Promise<Visit | undefined> {
  const entries = await readdir(join(folder, name), { recursive: true });
  const files = entries
    .filter((entry) => entry.endsWith('.safetensors'))
    .map((entry) => join(folder, name, entry));
  try {
    await dropFromPageCache(files);
    if (!((await cachedShare(files)) <= COLD_SHARE)) return undefined;
  } catch {
    return undefined;
  }
  return visit(shelf, name);
}

function coldFigures(label: string, cold: Visit | undefined): Figure[] {
  if (cold !== undefined) return timesOf(`${label}: cold`, [cold]);
  return [{ name: `${label}: cold load`, text: 'needs dd, fincore and a disk' }];
}

function timesOf(label: string, visits: readonly Visit[]): Figure[] {
  return [
    { name: `${label} load`, value: median(visits.map(({ load }) => load)), unit: 's' },
    {
      name: `${label} load, paid at first use`,
      value: median(visits.map(({ firstUse, laterUse }) => firstUse - laterUse)),
      unit: 's',
    },
    { name: `${label} release`, value: median(visits.map(({ release }) => release)), unit: 's' },
  ];
}

/** Of the first visit of all: a later one may find room that an earlier one left behind. */
function memoryOf(label: string, first: Visit | undefined): Figure[] {
  if (first === undefined) return [];
  const figure = (moment: 'loaded' | 'used' | 'released'): Figure => ({
    name: `${label}: private memory, ${moment}`,
    value: (first[moment] - first.before) / MB,
    unit: 'MB',
  });
  return [figure('loaded'), figure('used'), figure('released')];
}

/** There and back by turns; each model finds its files in the page cache. */
async function measurePair(
  shelf: ModelShelf,
  [one, other]: readonly [keyof typeof LABELS, keyof typeof LABELS],
  rounds: number,
): Promise<Figure[]> {
  const there: number[] = [];
  const back: number[] = [];
  if (shelf.get(one) === undefined) await shelf.load(one, async () => {});
  for (let round = 0; round < rounds; round += 1) {
    there.push(await swapTo(shelf, other));
    back.push(await swapTo(shelf, one));
  }
  const swap = (from: keyof typeof LABELS, to: keyof typeof LABELS, seconds: readonly number[]): Figure => ({
    name: `swap, ${LABELS[from]} -> ${LABELS[to]}`,
    value: median(seconds),
    unit: 's',
  });
  return [swap(one, other, there), swap(other, one, back)];
}
