import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { discover } from '../golden/discover.ts';
import { runCase, type Outcome } from '../golden/golden-case.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-golden-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function run(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for await (const golden of discover(dir)) outcomes.push(await runCase(golden));
  return outcomes;
}

/** The key is diffusers' word for a sampler. */
const request = (sampler: string): object => ({ ['scheduler']: sampler });

const write = (file: string, content: unknown): Promise<void> =>
  writeFile(join(dir, file), JSON.stringify(content));

it('skips what it does not know, with a reason', async () => {
  await mkdir(join(dir, 'dreams'));
  await write('tokenizer-unheard-of.json', { cases: [] });
  await write('cases.json', { model: 'nowhere', cases: [request('ddim')] });
  expect(await run()).toEqual([
    { outcome: 'skip', name: 'pipelines/txt2img/0-ddim', reason: 'there is no model "nowhere"' },
    { outcome: 'skip', name: 'dreams', reason: 'no such kind of case is built' },
    { outcome: 'skip', name: 'tokenizer-unheard-of.json', reason: 'there is no vocabulary "unheard-of"' },
  ]);
});

it('skips samplers and parameters that are not built', async () => {
  const cases = [request('heun'), { ...request('own'), timesteps: [1] }, request('euler')];
  await write('cases.json', { model: 'pocket-base', cases });
  const outcomes = await run();
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['skip', 'skip', 'FAIL']);
  expect(outcomes[0]).toHaveProperty('reason', 'the sampler heun is not built');
  expect(outcomes[1]).toHaveProperty('reason', 'the parameter timesteps is not built');
});

it('fails a case whose result differs, and one that cannot be read, and goes on', async () => {
  const wrong = { prompt: 'a cat', input_ids: Array.from({ length: 77 }, () => 0) };
  await write('tokenizer-pocket.json', {
    cases: [wrong, { ...wrong, input_ids: [1] }, { ...wrong, prompt: 5 }],
  });
  await writeFile(join(dir, 'torch-cpu-randn.json'), 'not json');
  const outcomes = await run();
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['FAIL', 'FAIL', 'FAIL', 'FAIL']);
  expect(outcomes[0]).toMatchObject({ name: 'tokenizer-pocket/0', error: 619, tolerance: 0 });
  expect(outcomes[1]).toHaveProperty('reason', 'there are 77 values, but 1 were expected');
  expect(outcomes[2]).toHaveProperty('reason', '5 is not a string');
  expect(outcomes[3]).toHaveProperty('name', 'torch-cpu-randn.json');
});

it('refuses a folder that is not there', async () => {
  await expect(discover(join(dir, 'gone')).next()).rejects.toThrow(/There is no folder/);
});
