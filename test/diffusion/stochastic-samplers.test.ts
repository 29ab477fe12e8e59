/** Closed forms: for a model that knows the clean sample, every level's mean and variance are known exactly. */
import { describe, expect, it } from 'vitest';
import { SAMPLER_NAMES, type SamplerName } from '../../src/contract/samplers.ts';
import { SAMPLERS } from '../../src/domain/samplers.ts';
import { parseNoiseScheduleConfig } from '../../workers/render/diffusion/noise-schedule.ts';
import { alphasCumprod } from '../../workers/render/diffusion/noise-tables.ts';
import { createSampler } from '../../workers/render/diffusion/samplers/create-sampler.ts';
import { TorchRandom } from '../../workers/render/diffusion/torch-random.ts';

const CONFIG = parseNoiseScheduleConfig({
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  prediction_type: 'sample',
  clip_sample: false,
});
const STEPS = 10;
const CLEAN = 0.7;

/** Draws nothing but zeros, and counts the draws. */
class Silence extends TorchRandom {
  draws = 0;

  override randn(count: number): Float32Array {
    this.draws++;
    return new Float32Array(count);
  }
}

interface Level {
  readonly mean: number;
  readonly deviation: number;
}

/** Of latents with the clean sample CLEAN at a timestep; Euler's are not scaled down to unit variance. */
function levelAt(name: SamplerName, timestep: number): Level {
  const signal = alphasCumprod(CONFIG)[timestep]!;
  const unscaled = name === 'euler_a' ? Math.sqrt(signal) : 1;
  return { mean: (Math.sqrt(signal) * CLEAN) / unscaled, deviation: Math.sqrt(1 - signal) / unscaled };
}

function measure(values: Float32Array): Level {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

describe.each([
  { name: 'euler_a', eta: 0 },
  { name: 'dpmpp_2m_sde', eta: 0 },
  { name: 'ddpm', eta: 0 },
  { name: 'ddim', eta: 1 },
] as const)('$name, eta $eta', ({ name, eta }) => {
  it('keeps mean and variance of every noise level when the clean sample is known', () => {
    const sampler = createSampler(name, CONFIG, { steps: STEPS, eta });
    const random = new TorchRandom(3);
    const first = levelAt(name, sampler.timestep(0));
    let latents: Float32Array = random.randn(40_000).map((e) => first.mean + first.deviation * e);
    const output = new Float32Array(latents.length).fill(CLEAN);
    for (let call = 0; call < STEPS; call++) {
      latents = sampler.step(call, latents, output, random);
      const { mean, deviation } = measure(latents);
      const wanted =
        call + 1 < STEPS ? levelAt(name, sampler.timestep(call + 1)) : { mean: CLEAN, deviation: 0 };
      // Five standard errors of 40 000 values.
      expect(Math.abs(mean - wanted.mean)).toBeLessThan((5 * wanted.deviation) / 200 + 1e-5);
      expect(Math.abs(deviation - wanted.deviation)).toBeLessThan((5 * wanted.deviation) / 280 + 1e-5);
    }
  });

  it('without its noise goes below each level by the variance that the noise would bring', () => {
    const sampler = createSampler(name, CONFIG, { steps: STEPS, eta });
    const from = levelAt(name, sampler.timestep(0));
    const to = levelAt(name, sampler.timestep(1));
    const latents = Float32Array.of(from.mean - from.deviation, from.mean + from.deviation);
    const [low, high] = sampler.step(0, latents, Float32Array.of(CLEAN, CLEAN), new Silence(0));
    // The posterior shrinks what is left of the noise by the ratio of the noise-to-signal ratios.
    const ratio = to.deviation / to.mean / (from.deviation / from.mean);
    expect((low! + high!) / 2).toBeCloseTo(to.mean, 5);
    expect((high! - low!) / 2).toBeCloseTo(to.deviation * ratio, 5);
  });
});

it.each([
  ['euler_a', STEPS],
  ['dpmpp_2m_sde', STEPS],
  ['ddpm', STEPS - 1],
  ['lcm', STEPS - 1],
  ['unipc', 0],
  ['dpmpp_2m', 0],
  ['euler', 0],
  ['ddim', 0],
] as const)('%s draws noise %d times in ten steps', (name, draws) => {
  const sampler = createSampler(name, CONFIG, { steps: STEPS });
  const silence = new Silence(0);
  for (let call = 0; call < STEPS; call++) {
    sampler.step(call, new Float32Array(4), new Float32Array(4), silence);
  }
  expect(silence.draws).toBe(draws);
});

it.each(SAMPLER_NAMES)('%s is described as stochastic if and only if it draws noise', (name) => {
  const sampler = createSampler(name, { ...CONFIG, predictionType: 'v_prediction' }, { steps: STEPS });
  const silence = new Silence(0);
  sampler.step(0, new Float32Array(4), new Float32Array(4), silence);
  expect(silence.draws > 0).toBe(SAMPLERS[name].stochastic);
});

it.each([0.2, 1])('DDIM with an eta of %d draws noise at every step', (eta) => {
  const sampler = createSampler('ddim', CONFIG, { steps: STEPS, eta });
  const silence = new Silence(0);
  for (let call = 0; call < STEPS; call++) {
    sampler.step(call, new Float32Array(4), new Float32Array(4), silence);
  }
  expect(silence.draws).toBe(STEPS);
});

it('DDIM with an eta of 1 stays finite from pure noise, where nothing but the added noise is left', () => {
  const zero = { ...CONFIG, rescaleBetasZeroSnr: true, timestepSpacing: 'trailing' } as const;
  const random = new TorchRandom(5);
  const sampler = createSampler('ddim', zero, { steps: STEPS, eta: 1 });
  let latents: Float32Array = random.randn(16);
  for (let call = 0; call < STEPS; call++) {
    latents = sampler.step(call, latents, new Float32Array(16).fill(CLEAN), random);
  }
  expect(latents.every((value) => Math.abs(value) < 2)).toBe(true);
});

it('DDIM alone takes eta, from 0 to 1', () => {
  const start = (name: SamplerName, eta: number) => () =>
    createSampler(name, { ...CONFIG, predictionType: 'epsilon' }, { steps: STEPS, eta });
  expect(start('ddim', 0.5)).not.toThrow();
  expect(SAMPLER_NAMES.filter((name) => SAMPLERS[name].takesEta)).toEqual(['ddim']);
  for (const name of SAMPLER_NAMES.filter((other) => other !== 'ddim')) {
    expect(start(name, 0)).not.toThrow();
    expect(start(name, 0.5)).toThrow(`eta is 0.5, but must be 0 with ${name}: only DDIM takes it`);
  }
  for (const eta of [-0.1, 1.5, NaN]) {
    expect(start('ddim', eta)).toThrow(`eta is ${eta}, but must be a number from 0 to 1`);
  }
});

it('the SDE solver has the second-order terms of the ODE solver, with the gain of the SDE', () => {
  const outputs = [Float32Array.of(0.2), Float32Array.of(0.5)];
  const latents = Float32Array.of(1.5);
  const sampler = createSampler('dpmpp_2m_sde', CONFIG, { steps: STEPS });
  sampler.step(0, latents, outputs[0]!, new Silence(0));
  const [result] = sampler.step(1, latents, outputs[1]!, new Silence(0));

  // Written out in terms of lambda, the logarithm of alpha / sigma.
  const signals = [0, 1, 2].map((call) => alphasCumprod(CONFIG)[sampler.timestep(call)]!);
  const [before, from, to] = signals.map((signal) => Math.log(signal / (1 - signal)) / 2);
  const h = to! - from!;
  const slope = ((0.5 - 0.2) / (from! - before!)) * h;
  const kept = (Math.sqrt(1 - signals[2]!) / Math.sqrt(1 - signals[1]!)) * Math.exp(-h);
  const gained = Math.sqrt(signals[2]!) * (1 - Math.exp(-2 * h));
  expect(result).toBeCloseTo(kept * 1.5 + gained * (0.5 + slope / 2), 5);
});
