import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { discover } from '../golden/discover.ts';
import { runCase, type GoldenCase } from '../golden/golden-case.ts';

async function casesIn(folder: string): Promise<GoldenCase[]> {
  const cases: GoldenCase[] = [];
  for await (const golden of discover(fileURLToPath(new URL(`../fixtures/${folder}`, import.meta.url)))) {
    if (!('skip' in golden)) cases.push(golden);
  }
  return cases;
}

describe('against the results of torch, transformers and diffusers', async () => {
  const tiny = await casesIn('golden');
  const pocket = await casesIn('golden-pocket');
  const kindsOfJobs = await casesIn('golden-kinds');

  it('there are cases of every kind', () => {
    const kinds = new Set(tiny.map(({ name }) => name.split('/')[0]));
    expect(kinds).toEqual(
      new Set([
        'depth_estimator-hybrid',
        'pipelines',
        'resize',
        'text_encoder-sd1',
        'text_encoder-sd2',
        'tokenizer-pocket',
        'torch-cpu-randn',
        'unet-sd1',
        'unet-sd2',
        'unet-upscaler',
        'vae-f8',
        'vae-f8-old-names',
      ]),
    );
    expect(pocket).toHaveLength(2);
    expect(kindsOfJobs).toHaveLength(11);
  });

  it.each(tiny)('$name is reproduced', async (golden) => {
    expect(await runCase(golden)).toMatchObject({ outcome: 'ok' });
  });

  it.each(kindsOfJobs)('$name of a tiny model is reproduced', async (golden) => {
    expect(await runCase(golden)).toMatchObject({ outcome: 'ok' });
  });

  it.each(pocket)('$name of the pocket model is reproduced', async (golden) => {
    expect(await runCase(golden)).toMatchObject({ outcome: 'ok' });
  });
});
