/**
 * Which lanes a worker tries first. Lanes whose samples are in the engine come first (they fill its batch), then
 * lanes of loaded models, then the rest, which cost a model load. Lanes of models that are not on this worker's disk
 * are left to others. The puller keeps the lanes that come last here from starving.
 */
import { laneModel } from '../../src/domain/lane.ts';

export interface Warmth {
  /** Models on disk, and those of them in memory. */
  readonly offered: ReadonlySet<string>;
  readonly loaded: ReadonlySet<string>;
  /** Lanes with samples in the engine. */
  readonly running: ReadonlySet<string>;
}

export function orderLanes(lanes: readonly string[], warmth: Warmth): string[] {
  return lanes
    .filter((lane) => warmth.offered.has(laneModel(lane)))
    .toSorted((a, b) => coldness(a, warmth) - coldness(b, warmth));
}

function coldness(lane: string, { running, loaded }: Warmth): number {
  if (running.has(lane)) return 0;
  return loaded.has(laneModel(lane)) ? 1 : 2;
}
