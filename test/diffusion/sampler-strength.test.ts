/**
 * Samplers that start from an image, against vectors of diffusers' own classes on the toy model, called in the order
 * of its pipelines: image to image, and inpainting with four channels, which puts the image back after every call.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import { SAMPLERS } from '../../src/domain/samplers.ts';
import { parseNoiseScheduleConfig } from '../../workers/render/diffusion/noise-schedule.ts';
import { createSampler } from '../../workers/render/diffusion/samplers/create-sampler.ts';
import type { Sampler } from '../../workers/render/diffusion/samplers/sampler.ts';
import { TorchRandom } from '../../workers/render/diffusion/torch-random.ts';
import { list, number, numbers, record, text, type Json } from '../golden/json.ts';
import { toyModel } from '../support/toy-model.ts';

/** Rounding of float32 tensors in torch, where Kiln rounds once per step. */
const TOLERANCE = 2e-5;
const LATENTS = 16;
const CONFIG = parseNoiseScheduleConfig({
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  steps_offset: 1,
});

interface Trace {
  readonly timesteps: readonly number[];
  readonly start: Float32Array;
  /** The image at the level after each call: the sums of its values. */
  readonly keeps: readonly number[];
  readonly final: Float32Array;
}

/** `from`: pure noise, an image, or an image that is blended in after every call. */
function trace(sampler: Sampler, from: string): Trace {
  const random = new TorchRandom(7);
  const clean = random.randn(LATENTS).map((value) => 0.8 * value);
  const noise = random.randn(LATENTS);
  const start =
    from === 'noise' ? noise.map((value) => value * sampler.initNoiseSigma) : sampler.noised(clean, noise);
  const timesteps = Array.from({ length: sampler.calls }, (_, call) => sampler.timestep(call));
  const keeps: number[] = [];
  let latents = start;
  for (const [call, timestep] of timesteps.entries()) {
    const scaled = latents.map((value) => value * sampler.inputScale(call));
    latents = sampler.step(call, latents, toyModel(scaled, timestep), random);
    if (from !== 'blend') continue;
    const keep = sampler.noisedAfter(call, clean, noise);
    keeps.push(sum(keep));
    // Every second value is masked, beginning with the first.
    latents = latents.map((value, i) => (i % 2 === 0 ? value : keep[i]!));
  }
  return { timesteps, start, keeps, final: latents };
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The first three values and the sum of all. */
function digest(values: Float32Array): number[] {
  return [...values.subarray(0, 3), sum(values)];
}

/** An error relative to the value, or absolute where it is below 1. */
function largestError(actual: readonly number[], expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value) / Math.max(1, Math.abs(value))));
}

function samplerOf(entry: Json): Sampler {
  const name = SAMPLER_NAMES.find((known) => known === entry['sampler']);
  if (name === undefined) throw new Error(`there is no sampler ${text(entry['sampler'])}`);
  return createSampler(name, parseNoiseScheduleConfig(entry['config']), {
    steps: number(entry['steps']),
    strength: number(entry['strength'] ?? 1),
    eta: number(entry['eta'] ?? 0),
  });
}

function titleOf(entry: Json): string {
  const { sampler, title, from, steps, strength, eta } = entry;
  const end = `${strength === undefined ? '' : `, strength ${number(strength)}`}${eta === undefined ? '' : `, eta ${number(eta)}`}`;
  return `${text(sampler)}, ${text(title)}, from ${text(from)}, ${number(steps)} steps${end}`;
}

const file = new URL('../fixtures/samplers/strength.json', import.meta.url);
const vectors = list(record(JSON.parse(await readFile(file, 'utf8')))['cases']).map(record);

describe('diffusers and Kiln go the same way from the same image', () => {
  it.each(vectors.map((entry) => [titleOf(entry), entry] as const))('%s', (_, entry) => {
    const actual = trace(samplerOf(entry), text(entry['from']));
    expect(actual.timesteps.map(Math.fround)).toEqual(numbers(entry['timesteps']).map(Math.fround));
    expect(largestError(digest(actual.start), numbers(entry['start']))).toBeLessThan(TOLERANCE);
    expect(largestError(actual.keeps, numbers(entry['keeps'] ?? []))).toBeLessThan(TOLERANCE);
    expect(largestError(digest(actual.final), numbers(entry['final']))).toBeLessThan(TOLERANCE);
  });

  it('there are vectors of every sampler for an image, and for one that is blended in', () => {
    for (const from of ['image', 'blend']) {
      const names = vectors.filter((entry) => entry['from'] === from).map((entry) => entry['sampler']);
      expect(new Set(names)).toEqual(new Set(SAMPLER_NAMES));
    }
  });
});

describe('the strength', () => {
  it.each(SAMPLER_NAMES)('leaves %s the last calls of the whole run', (name) => {
    const all = createSampler(name, CONFIG, { steps: 12 });
    const some = createSampler(name, CONFIG, { steps: 12, strength: 0.26 });
    const timesteps = (sampler: Sampler): number[] =>
      Array.from({ length: sampler.calls }, (_, call) => sampler.timestep(call));
    // trunc(3.12) steps; PNDM's list is one longer than its steps.
    expect(some.calls).toBe(name === 'pndm' ? 4 : 3);
    expect(timesteps(some)).toEqual(timesteps(all).slice(-some.calls));
    expect(some.initNoiseSigma).toBe(all.initNoiseSigma);
  });

  it.each(SAMPLER_NAMES)('that leaves %s no step is refused with the least one that leaves some', (name) => {
    const start = (steps: number, strength: number): Sampler =>
      createSampler(name, CONFIG, { steps, strength });
    expect(() => start(30, 0.03)).toThrow(
      'A strength of 0.03 leaves none of 30 steps to walk: it must be at least 0.0334',
    );
    expect(start(30, 0.0334).calls).toBe(name === 'pndm' ? 2 : 1);
    expect(() => start(10, 0)).toThrow(/strength of 0 leaves none of 10 steps.* at least 0\.1$/);
    for (const strength of [-0.1, 1.01, NaN]) {
      expect(() => start(10, strength)).toThrow(
        `The strength is ${strength}, but must be a number from 0 to 1`,
      );
    }
  });

  it('that an error names is enough for any number of steps', () => {
    for (let steps = 1; steps <= SAMPLERS.ddim.maxSteps; steps++) {
      const least = /at least (\S+)$/.exec(
        messageOf(() => createSampler('ddim', CONFIG, { steps, strength: 0 })),
      );
      const calls = createSampler('ddim', CONFIG, { steps, strength: Number(least?.[1]) }).calls;
      expect(calls).toBe(1);
    }
  });

  it('cuts what floating point leaves of a product: 50 * 0.58 is less than 29', () => {
    expect(createSampler('ddim', CONFIG, { steps: 50, strength: 0.58 }).calls).toBe(28);
  });

  it.each(SAMPLER_NAMES)('of %s ends with the image itself, whatever the noise', (name) => {
    const sampler = createSampler(name, CONFIG, { steps: 8, strength: 0.5 });
    const clean = new TorchRandom(1).randn(4);
    expect(sampler.noisedAfter(sampler.calls - 1, clean, new TorchRandom(2).randn(4))).toEqual(clean);
  });
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof RangeError) return error.message;
  }
  throw new Error('There was no RangeError');
}
