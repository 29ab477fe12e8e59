import type { JobParams } from '../domain/job.ts';
import { stepsOfJob } from '../domain/job-steps.ts';
import { laneName, type LaneFacts } from '../domain/lane.ts';
import type { LaneCost } from './check-host.ts';

/** Of the published x4 upscaler. */
const UPSCALE_FACTOR = 4;
/** Sizes that are told apart; others are counted in pixels with the first. */
const MAX_LANES = 4_096;

/** Adds up what jobs will cost, by the lane of the engine that each stage of them runs in. */
export class LaneCosts {
  readonly #costs = new Map<string, LaneFacts & { sampleSteps: number }>();

  add(params: JobParams): void {
    const stage = params.kind === 'txt2img' ? params.upscale : null;
    const second = stage === null ? 0 : stage.steps * params.seeds.length;
    this.#add(params, stepsOfJob(params) - second);
    if (stage === null) return;
    const size = { width: params.width * UPSCALE_FACTOR, height: params.height * UPSCALE_FACTOR };
    this.#add({ model: stage.model, ...size }, second);
  }

  get list(): LaneCost[] {
    return [...this.#costs].map(([lane, { model, width, height, sampleSteps }]) => ({
      lane,
      model,
      width,
      height,
      sampleSteps,
    }));
  }

  #add({ model, width, height }: LaneFacts, sampleSteps: number): void {
    const lane = laneName({ model, width, height });
    const cost = this.#costs.get(lane);
    if (cost !== undefined) cost.sampleSteps += sampleSteps;
    else if (this.#costs.size < MAX_LANES) this.#costs.set(lane, { model, width, height, sampleSteps });
    else {
      const [[, other] = []] = this.#costs;
      if (other !== undefined) {
        other.sampleSteps += Math.round((sampleSteps * width * height) / (other.width * other.height));
      }
    }
  }
}
