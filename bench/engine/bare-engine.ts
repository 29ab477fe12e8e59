/** The engine without a farm around it: the same model and the same step function, in a plain loop. */
import { join } from 'node:path';
import type { Config } from '../../src/config.ts';
import {
  decodeSample,
  isDenoised,
  startSample,
  stepBatch,
  type Sample,
} from '../../workers/render/diffusion/denoise.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import type { SampleRequest } from '../../workers/render/diffusion/sample-request.ts';
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import { median } from '../stats.ts';

/** As in an engine. */
export const TEXT_CACHE_BYTES = 64 * 2 ** 20;
const WARM_ROUNDS = 2;

/** One UNet call of the loop. */
export interface BareStep {
  readonly ms: number;
  readonly samples: number;
}

export class BareEngine {
  readonly #model: LoadedModel;
  readonly #texts = new TextCache(TEXT_CACHE_BYTES);

  private constructor(model: LoadedModel) {
    this.#model = model;
  }

  /** Loads the farm's default model the way the farm's engine does. */
  static async open({ modelDirs, defaultModel, device, cpuProfile, threads }: Config): Promise<BareEngine> {
    const model = await loadModel(join(modelDirs[0] ?? '', defaultModel), {
      device: device === 'cuda' ? { kind: 'cuda', deviceId: 0 } : { kind: 'cpu' },
      profile: cpuProfile,
      threads,
    });
    return new BareEngine(model);
  }

  close(): Promise<void> {
    return this.#model.release();
  }

  /** Renders all requests, at most `size` at once; a place that gets free is filled at the next step. */
  async render(requests: readonly SampleRequest[], size: number): Promise<BareStep[]> {
    const coming = [...requests];
    const steps: BareStep[] = [];
    let aboard: Sample[] = [];
    while (coming.length > 0 || aboard.length > 0) {
      for (const request of coming.splice(0, size - aboard.length)) aboard.push(await this.#start(request));
      steps.push({ ms: await this.#step(aboard), samples: aboard.length });
      for (const sample of aboard.filter(isDenoised)) await this.#decode(sample);
      aboard = aboard.filter((sample) => !isDenoised(sample));
    }
    return steps;
  }

  /**
   * Median milliseconds of a UNet call of 1, 2, ... `size` samples. The sizes take turns, so that whatever else the
   * machine does meanwhile falls on all of them.
   */
  async callCosts(request: SampleRequest, size: number, rounds: number): Promise<number[]> {
    const sizes = Array.from({ length: size }, (_, index) => ({ samples: index + 1, times: [] as number[] }));
    for (let round = -WARM_ROUNDS; round < rounds; round += 1) {
      for (const { samples, times } of sizes) {
        const batch: Sample[] = [];
        while (batch.length < samples) batch.push(await this.#start(request));
        const ms = await this.#step(batch);
        if (round >= 0) times.push(ms);
      }
    }
    return sizes.map(({ times }) => median(times));
  }

  #start(request: SampleRequest): Promise<Sample> {
    return startSample(this.#model, request, this.#texts);
  }

  async #step(batch: readonly Sample[]): Promise<number> {
    const startedAt = performance.now();
    await stepBatch(this.#model, batch);
    return performance.now() - startedAt;
  }

  async #decode(sample: Sample): Promise<void> {
    const outcome = await decodeSample(this.#model, sample);
    if (outcome.kind === 'failure') throw new Error(outcome.failure.message);
  }
}
