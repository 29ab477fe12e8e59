/** One full-size network: written with random weights, loaded, and put to work. */
import { dirname, join } from 'node:path';
import { Type, type Static } from 'typebox';
import { writeRandomWeights } from '../../workers/render/onnx/random-weights.ts';
import { openSafetensors } from '../../workers/render/onnx/safetensors.ts';
import { createSession } from '../../workers/render/onnx/session.ts';
import type { Session, SessionOptions } from '../../workers/render/onnx/session.ts';
import { bindWeights, matchWeights } from '../../workers/render/onnx/weights.ts';
import { Figure } from '../report.ts';
import { settledMemory } from '../settled-memory.ts';
import { median } from '../stats.ts';
import { openCeiling } from './matmul.ts';
import type { Ceiling } from './matmul.ts';
import type { FullSizeNetwork, Work } from './networks.ts';

const MB = 1e6;
const GIGA = 1e9;

export const Measured = Type.Object({
  figures: Type.Array(Figure),
  /** Of the matrix product around each run, in GFLOP/s. */
  ceilings: Type.Array(Type.Number()),
  /** Bytes of private memory before the load. */
  before: Type.Number(),
});
export type Measured = Static<typeof Measured>;

export interface Measuring {
  readonly options: SessionOptions;
  /** For the weights. */
  readonly folder: string;
  readonly rounds: number;
}

export async function measureNetwork(network: FullSizeNetwork, measuring: Measuring): Promise<Measured> {
  const { folder, options } = measuring;
  const path = await writeNetwork(network, folder);
  const ceiling = await openCeiling(options);
  // A product before the baseline: the runtime's own pools are no network's.
  await ceiling.measure();
  const before = await settledMemory();
  const startedAt = performance.now();
  const session = await loadNetwork(network, path, options);
  const loadMs = performance.now() - startedAt;
  const loaded = await settledMemory();
  const { figures, ceilings } = await measureWorks(network, { ...measuring, session, ceiling });
  return {
    ceilings,
    before,
    figures: [
      { name: 'load', value: loadMs, unit: 'ms' },
      { name: 'private memory, loaded', value: (loaded - before) / MB, unit: 'MB' },
      ...figures,
    ],
  };
}

/** Gives back the file's path. */
export async function writeNetwork({ graph }: FullSizeNetwork, folder: string): Promise<string> {
  const path = join(folder, 'weights.safetensors');
  await writeRandomWeights(path, graph.parameters, { seed: 1, dtype: 'F32' });
  return path;
}

export async function loadNetwork(
  { graph, naming }: FullSizeNetwork,
  path: string,
  options: SessionOptions,
): Promise<Session> {
  const weights = await openSafetensors(path);
  const { found } = matchWeights(graph.parameters, weights.tensors, naming);
  const bytes = bindWeights(graph, weights, found);
  return createSession({ name: graph.name, bytes, weightsFolder: dirname(weights.path) }, options);
}

interface Loaded extends Measuring {
  readonly session: Session;
  readonly ceiling: Ceiling;
}

/** One run of a piece of work, and what a matrix product did around it: rates in GFLOP/s. */
interface Run {
  readonly seconds: number;
  readonly rate: number;
  readonly ceiling: number;
}

/** The pieces of work take turns, so that whatever else the machine does falls on all of them. */
async function measureWorks(
  { warmUp, works }: FullSizeNetwork,
  loaded: Loaded,
): Promise<Pick<Measured, 'figures' | 'ceilings'>> {
  const { session, ceiling, rounds } = loaded;
  const rowByRow = loaded.options.profile === 'lean';
  const runs = works.map((work) => ({ work, done: [] as Run[] }));
  await warmUp.run(session, rowByRow);
  for (let round = 0; round < rounds; round += 1) {
    for (const { work, done } of runs) {
      const before = await ceiling.measure();
      const seconds = await timed(work, session, rowByRow);
      const after = await ceiling.measure();
      const rate = work.flops / seconds;
      done.push({ seconds, rate: rate / GIGA, ceiling: (before + after) / 2 / GIGA });
    }
  }
  return {
    ceilings: runs.flatMap(({ done }) => done.map((run) => run.ceiling)),
    figures: runs.flatMap(({ work, done }) => figuresOf(work, done)),
  };
}

async function timed({ name, run }: Work, session: Session, rowByRow: boolean): Promise<number> {
  const startedAt = performance.now();
  const output = await run(session, rowByRow);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (!output.every(Number.isFinite)) throw new Error(`${name}: a result is not finite`);
  return seconds;
}

function figuresOf({ name }: Work, runs: readonly Run[]): Figure[] {
  const of = (value: (run: Run) => number): number => median(runs.map(value));
  return [
    { name, value: of(({ seconds }) => seconds), unit: 's' },
    { name: `${name}, rate`, value: of(({ rate }) => rate), unit: 'GFLOP/s' },
    {
      name: `${name}, rate / matrix product`,
      value: of(({ rate, ceiling }) => rate / ceiling),
      unit: 'ratio',
    },
  ];
}
