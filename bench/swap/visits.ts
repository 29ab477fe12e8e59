/** A model in memory for a while: loaded, used twice, released. */
import type { ModelShelf } from '../../workers/render/engine/model-shelf.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import { settledMemory } from '../settled-memory.ts';
import { waves } from '../waves.ts';

const GUIDED_ROWS = 2;
const POSITIONS = 77;
const TIMESTEP = 500;
/** Of latents: small, so that reading the weights is most of the work. */
const SMALL_CELLS = 8;

/** Seconds, and bytes of private memory. */
export interface Visit {
  readonly load: number;
  /** Runs every network once; weights that are mapped are read from their file here. */
  readonly firstUse: number;
  readonly laterUse: number;
  readonly release: number;
  readonly before: number;
  readonly loaded: number;
  readonly used: number;
  readonly released: number;
}

export async function visit(shelf: ModelShelf, name: string): Promise<Visit> {
  const before = await settledMemory();
  const load = await secondsOf(() => shelf.load(name, nobody));
  const loaded = await settledMemory();
  const model = shelf.get(name);
  if (model === undefined) throw new Error(`${name} is not on the shelf`);
  const firstUse = await secondsOf(() => useAll(model));
  const laterUse = await secondsOf(() => useAll(model));
  const used = await settledMemory();
  const release = await secondsOf(() => shelf.releaseAll());
  return { load, firstUse, laterUse, release, before, loaded, used, released: await settledMemory() };
}

/** Loading `name` while the shelf has room for one model only: the other's release is part of it. */
export function swapTo(shelf: ModelShelf, name: string): Promise<number> {
  return secondsOf(() => shelf.load(name, nobody));
}

export function secondsOfStep(model: LoadedModel, cells: number): Promise<number> {
  return secondsOf(() => guidedStep(model, cells));
}

async function useAll(model: LoadedModel): Promise<void> {
  await model.encodeText(model.tokenize('a large red sphere'), 0);
  await guidedStep(model, SMALL_CELLS);
  const latents = waves(model.latentChannels * SMALL_CELLS ** 2);
  await model.decode(latents, SMALL_CELLS, SMALL_CELLS);
}

async function guidedStep(model: LoadedModel, cells: number): Promise<void> {
  await model.predictNoise({
    rows: GUIDED_ROWS,
    height: cells,
    width: cells,
    sample: waves(GUIDED_ROWS * model.inChannels * cells ** 2),
    timesteps: new Float32Array(GUIDED_ROWS).fill(TIMESTEP),
    hiddenStates: waves(GUIDED_ROWS * POSITIONS * model.crossAttentionDim),
    classLabels: null,
  });
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1_000;
}

async function nobody(): Promise<void> {}
