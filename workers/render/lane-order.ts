/**
 * Which lanes a worker tries first. Lanes whose samples are in the engine come first (they fill its batch), then lanes
 * of loaded models, then the rest, which cost a model load; among equals the longest wait counts.
 *
 * An interactive job need not wait for that: when no lane that is in the engine has one itself, its lane goes first, as
 * one whose turn has come. (Where all jobs are interactive, lanes are told apart by their warmth as before.)
 *
 * That alone would starve a cold lane for as long as a warm one has work. So a lane that has waited for longer than
 * `maxWaitMs`, and from which this worker has taken nothing for as long, has a turn: it goes first. Where all lanes
 * wait, such turns must not eat up the device with model loads: a turn that costs a load is only given when loads are
 * affordable, and until then its lane keeps its place at the end. Every lane's turn comes: the lane neglected for
 * longest goes first, and a turn makes it the least neglected.
 */
import { laneModels } from '../../src/domain/lane.ts';
import type { WaitingLane } from '../../src/queue/lane-peek.ts';

export interface LaneFacts {
  /** Models in memory. */
  readonly loaded: ReadonlySet<string>;
  /** Lanes with samples in the engine. */
  readonly running: ReadonlySet<string>;
  /** How long ago this worker took from a lane, in ms; Infinity for never. */
  readonly sincePull: (lane: string) => number;
  readonly maxWaitMs: number;
  readonly canAffordLoad: boolean;
}

export function orderLanes(waiting: readonly WaitingLane[], facts: LaneFacts): string[] {
  const isServingInteractive = waiting.some(
    ({ lane, isInteractive }) => isInteractive && facts.running.has(lane),
  );
  return waiting
    .map((lane) => ({ ...lane, neglectMs: Math.min(lane.waitedMs, facts.sincePull(lane.lane)) }))
    .map((lane) => ({ ...lane, rank: rankOf(lane, { ...facts, isServingInteractive }) }))
    .toSorted((a, b) => a.rank - b.rank || b.neglectMs - a.neglectMs || b.waitedMs - a.waitedMs)
    .map(({ lane }) => lane);
}

/** True for a lane whose samples are in the engine while a model of it is still to be loaded. */
export function awaitsLoad({ loaded, running }: Pick<LaneFacts, 'loaded' | 'running'>): boolean {
  return [...running].some((lane) => isCold(lane, loaded));
}

/** For how long a lane's oldest job has waited without this worker taking from its lane. */
type NeglectedLane = WaitingLane & { readonly neglectMs: number };

function rankOf(
  { lane, neglectMs, isInteractive }: NeglectedLane,
  facts: LaneFacts & { readonly isServingInteractive: boolean },
): number {
  const cold = isCold(lane, facts.loaded);
  const isItsTurn = neglectMs > facts.maxWaitMs || (isInteractive && !facts.isServingInteractive);
  if (isItsTurn && (!cold || facts.canAffordLoad)) return 0;
  if (facts.running.has(lane)) return 1;
  return cold ? 3 : 2;
}

function isCold(lane: string, loaded: ReadonlySet<string>): boolean {
  return laneModels(lane).some((model) => !loaded.has(model));
}
