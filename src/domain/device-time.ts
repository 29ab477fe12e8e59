/**
 * How long devices need for work that waits, by what they measured. A speed is the device time of one step of one
 * sample, in milliseconds, shared with whatever company the sample had: ten samples in a call of 50 ms make 5.
 */
import { laneModels, laneSize, type LaneSize } from './lane.ts';

/** By engine lane: one model at one size. */
export type Speeds = ReadonlyMap<string, number>;

/**
 * Null when nothing is known of a model of the lane. A size that was never run is taken to cost as much a pixel as the
 * nearest size that was; of two stages, whose shares of the steps are not known, it is the mean.
 */
export function msPerStep(lane: string, speeds: Speeds): number | null {
  const size = laneSize(lane);
  const [model = '', upscaler] = laneModels(lane);
  if (size === null) return speeds.get(lane) ?? null;
  const first = msPerStepAt(model, size, speeds);
  if (upscaler === undefined || first === null) return first;
  const second = msPerStepAt(upscaler, { width: size.width * 4, height: size.height * 4 }, speeds);
  return second === null ? null : (first + second) / 2;
}

/** For so many steps, counted over images and stages; null when the speed of the lane is not known. */
export function deviceSeconds(lane: string, steps: number, speeds: Speeds): number | null {
  const ms = msPerStep(lane, speeds);
  return ms === null ? null : (ms * steps) / 1_000;
}

function msPerStepAt(model: string, size: LaneSize, speeds: Speeds): number | null {
  const area = size.width * size.height;
  let nearest: { ms: number; area: number } | null = null;
  for (const [lane, ms] of speeds) {
    const known = laneSize(lane);
    if (known === null || laneModels(lane).join('/') !== model) continue;
    const knownArea = known.width * known.height;
    if (nearest === null || distance(knownArea, area) < distance(nearest.area, area)) {
      nearest = { ms, area: knownArea };
    }
  }
  return nearest === null ? null : (nearest.ms * area) / nearest.area;
}

/** Of sizes that differ by a factor, whichever is the larger. */
function distance(a: number, b: number): number {
  return Math.abs(Math.log(a / b));
}
