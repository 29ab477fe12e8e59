/**
 * What continuous batching gains. The cost of a UNet call by its number of samples is measured on the real engine;
 * the load then runs through three policies in virtual time, so they differ in nothing but who rides when.
 */
import type { Config } from '../../src/config.ts';
import { BareEngine } from '../engine/bare-engine.ts';
import type { BenchResult, Figure } from '../report.ts';
import { mean, median, percentile } from '../stats.ts';
import { poissonLoad, type Request } from './load.ts';
import { closedBatch, continuous, oneAtATime, simulate, type Policy } from './simulate.ts';

const BATCH_SIZE = 8;
const ROUNDS = 15;
const LOAD = { seed: 1, requests: 400, minSteps: 8, maxSteps: 40 };
/** Share of what one-at-a-time could just bear: busy, but nobody's queue grows without end. */
const BUSY = 0.9;
/** More than it could bear, so that the span shows what each policy can put through. */
const OVERLOAD = 12;

const REQUEST = {
  kind: 'txt2img',
  prompt: 'a large red sphere left of a small blue cube at sunset',
  negativePrompt: '',
  width: 128,
  height: 128,
  steps: 20,
  guidanceScale: 4,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  seed: 1,
  sampler: 'euler',
} as const;

const POLICIES: ReadonlyArray<{ readonly name: string; readonly policy: Policy }> = [
  { name: 'one at a time', policy: oneAtATime },
  { name: 'closed batch', policy: closedBatch(BATCH_SIZE) },
  { name: 'continuous', policy: continuous(BATCH_SIZE) },
];

export async function batchingBench(config: Config): Promise<BenchResult> {
  const callMs = await measureCalls(config);
  return {
    bench: 'batching',
    about: `${LOAD.requests} requests of ${LOAD.minSteps} to ${LOAD.maxSteps} steps arriving at random, batches up to ${BATCH_SIZE}; call costs measured on this ${config.device}, then virtual time`,
    figures: [
      ...[2, 4, BATCH_SIZE].map((samples): Figure => ({
        name: `a call of ${samples} samples / ${samples} calls of 1`,
        value: callMs(samples) / (samples * callMs(1)),
        unit: 'ratio',
      })),
      ...latencyFigures(callMs),
      ...throughputFigures('as measured', callMs),
      // What batching can bring at most: a device that has room, as a GPU has for small batches.
      ...throughputFigures(`if ${BATCH_SIZE} cost as much as 1`, () => callMs(1)),
    ],
  };
}

async function measureCalls(config: Config): Promise<(samples: number) => number> {
  const engine = await BareEngine.open(config);
  const costs = await engine.callCosts(REQUEST, BATCH_SIZE, ROUNDS);
  await engine.close();
  return (samples) => {
    const cost = costs[samples - 1];
    if (cost === undefined) throw new Error(`calls of ${samples} samples were not measured`);
    return cost;
  };
}

function latencyFigures(callMs: (samples: number) => number): Figure[] {
  const load = loadAt(BUSY, callMs(1));
  const latencies = POLICIES.map(({ name, policy }) => ({
    name,
    ms: simulate(load, policy, callMs).latenciesMs,
  }));
  const alone = latencies[0]?.ms ?? [];
  const closed = latencies[1]?.ms ?? [];
  const ours = latencies[2]?.ms ?? [];
  return [
    ...latencies.flatMap(({ name, ms }): Figure[] => [
      { name: `load ${BUSY}: ${name}, p50`, value: median(ms), unit: 'ms' },
      { name: `load ${BUSY}: ${name}, p95`, value: percentile(ms, 95), unit: 'ms' },
    ]),
    {
      name: `load ${BUSY}: p95 of one at a time / continuous`,
      value: percentile(alone, 95) / percentile(ours, 95),
      unit: 'ratio',
    },
    {
      name: `load ${BUSY}: p95 of closed batch / continuous`,
      value: percentile(closed, 95) / percentile(ours, 95),
      unit: 'ratio',
    },
  ];
}

function throughputFigures(costs: string, callMs: (samples: number) => number): Figure[] {
  const load = loadAt(OVERLOAD, callMs(1));
  const [alone, closed, ours] = POLICIES.map(({ policy }) => simulate(load, policy, callMs).spanMs);
  if (alone === undefined || closed === undefined || ours === undefined) return [];
  return [
    { name: `throughput, ${costs}: continuous / one at a time`, value: alone / ours, unit: 'ratio' },
    { name: `throughput, ${costs}: continuous / closed batch`, value: closed / ours, unit: 'ratio' },
  ];
}

function loadAt(share: number, callMsAlone: number): Request[] {
  const meanRequestMs = mean([LOAD.minSteps, LOAD.maxSteps]) * callMsAlone;
  return poissonLoad({ ...LOAD, meanGapMs: meanRequestMs / share });
}
