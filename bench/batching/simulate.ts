/**
 * One engine, one load, three ways to form batches, in virtual time: the clock advances by what a UNet call of
 * that many samples costs, which was measured on the real engine before. So the ways differ in nothing else,
 * and a run is repeatable.
 */
import { pickBatch, type WaitingSample } from '../../src/domain/pick-batch.ts';
import { mean } from '../stats.ts';
import type { Request } from './load.ts';

/** A request in the engine. `arrivedAt` is its arrival, `left` the UNet calls it still needs. */
export interface Sample extends WaitingSample {
  left: number;
}

/** Chooses the samples of the next UNet call from those that are there; `running` took part in the last one. */
export type Policy = (waiting: readonly Sample[], running: readonly Sample[]) => readonly Sample[];

/** First come, first served, alone. */
export const oneAtATime: Policy = (waiting) => waiting.slice(0, 1);

/**
 * Takes up to `size` and lets nobody join until the last of them is done. Generous: a member that is done leaves
 * at once and costs nothing more, where a lockstep pipeline would compute and hold it to the end.
 */
export function closedBatch(size: number): Policy {
  return (waiting, running) => (running.length > 0 ? running : waiting.slice(0, size));
}

/** Kiln's own decision, the very function that its engine calls. */
export function continuous(size: number): Policy {
  return (waiting) => pickBatch(waiting, { maxBatchSize: () => size });
}

export interface Simulation {
  /** Arrival to end of each request, in milliseconds, in the order they ended. */
  readonly latenciesMs: readonly number[];
  /** From the first arrival to the last end. */
  readonly spanMs: number;
  /** Mean number of samples in a UNet call. */
  readonly averageBatch: number;
}

/** `callMs(n)` is the cost of a UNet call of n samples. */
export function simulate(
  load: readonly Request[],
  policy: Policy,
  callMs: (samples: number) => number,
): Simulation {
  const latenciesMs: number[] = [];
  const batchSizes: number[] = [];
  let waiting: readonly Sample[] = [];
  let running: readonly Sample[] = [];
  let arrived = 0;
  let now = 0;
  while (latenciesMs.length < load.length) {
    if (waiting.length === 0) now = Math.max(now, load[arrived]?.arrivedAtMs ?? now);
    const due = load.slice(arrived).filter((request) => request.arrivedAtMs <= now);
    arrived += due.length;
    const present = [...waiting, ...due.map(toSample)];
    const batch = policy(present, running);
    if (batch.length === 0) throw new Error(`the policy left ${present.length} samples waiting for nothing`);
    now += callMs(batch.length);
    batchSizes.push(batch.length);
    for (const sample of batch) sample.left -= 1;
    latenciesMs.push(...batch.filter(isDone).map((sample) => now - sample.arrivedAt));
    running = batch.filter((sample) => !isDone(sample));
    waiting = present.filter((sample) => !isDone(sample));
  }
  return { latenciesMs, spanMs: now - (load[0]?.arrivedAtMs ?? 0), averageBatch: mean(batchSizes) };
}

function toSample(request: Request): Sample {
  return {
    id: request.id,
    lane: 'bench',
    priority: 'normal',
    arrivedAt: request.arrivedAtMs,
    solo: false,
    left: request.steps,
  };
}

function isDone(sample: Sample): boolean {
  return sample.left === 0;
}
