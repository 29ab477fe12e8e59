/** Samplers against vectors that diffusers computed on the toy model: spacings, prediction types, zero-terminal SNR. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import { parseNoiseScheduleConfig } from '../../workers/render/diffusion/noise-schedule.ts';
import { createSampler } from '../../workers/render/diffusion/samplers/create-sampler.ts';
import { list, number, numbers, record, text } from '../golden/json.ts';
import { runToyModel } from '../support/toy-model.ts';

/** Rounding of float32 tensors in torch, where Kiln rounds once per step; the noisiest start is 4096 high. */
const TOLERANCE = 2e-5;

const file = new URL('../fixtures/samplers/diffusers.json', import.meta.url);
const cases = list(record(JSON.parse(await readFile(file, 'utf8')))['cases'])
  .map(record)
  .map((entry) => {
    const name = SAMPLER_NAMES.find((known) => known === entry['sampler']);
    if (name === undefined) throw new Error(`${text(entry['title'])}: there is no such sampler`);
    return {
      title: text(entry['title']),
      name,
      config: parseNoiseScheduleConfig(entry['config']),
      steps: number(entry['steps']),
      timesteps: numbers(entry['timesteps']),
      /** The first three values and the sum of all 64. */
      final: numbers(entry['final']),
    };
  });

describe('diffusers and Kiln end at the same latents', () => {
  it.each(cases)('$title, $steps steps', ({ name, config, steps, timesteps, final }) => {
    const run = runToyModel(createSampler(name, config, { steps }));
    expect(run.timesteps.map(Math.fround)).toEqual(timesteps.map(Math.fround));
    const sum = run.latents.reduce((total, value) => total + value, 0);
    for (const [i, value] of [...run.latents.subarray(0, 3), sum].entries()) {
      expect(Math.abs(value - final[i]!)).toBeLessThan(TOLERANCE * Math.max(1, Math.abs(final[i]!)));
    }
  });

  it('there are vectors for every sampler', () => {
    expect(new Set(cases.map(({ name }) => name))).toEqual(new Set(SAMPLER_NAMES));
  });
});
