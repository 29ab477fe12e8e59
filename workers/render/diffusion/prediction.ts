/**
 * What a model output says about the clean sample and the noise, as coefficients: with x = alpha x0 + sigma e and
 * alpha^2 + sigma^2 = 1, both are linear in the latents x and the output m.
 */
import type { NoiseScheduleConfig, PredictionType } from './noise-schedule.ts';

/** Stands for `latents * x + output * m`. */
export interface Mix {
  readonly latents: number;
  readonly output: number;
}

/** All samplers' classes assume epsilon where the file is silent. */
export function predictionType(config: NoiseScheduleConfig): PredictionType {
  return config.predictionType ?? 'epsilon';
}

/** The clean sample x0. Divides by alpha for epsilon: without signal the noise says nothing about it. */
export function cleanSample(type: PredictionType, alpha: number, sigma: number): Mix {
  switch (type) {
    case 'epsilon':
      return { latents: 1 / alpha, output: -sigma / alpha };
    case 'v_prediction':
      return { latents: alpha, output: -sigma };
    case 'sample':
      return { latents: 0, output: 1 };
  }
}

/** The noise e. */
export function noise(type: PredictionType, alpha: number, sigma: number): Mix {
  switch (type) {
    case 'epsilon':
      return { latents: 0, output: 1 };
    case 'v_prediction':
      return { latents: sigma, output: alpha };
    case 'sample':
      return { latents: 1 / sigma, output: -alpha / sigma };
  }
}
