/**
 * `npm run bench [-- NAME...] [--json | --markdown]`: measures Kiln on this machine and prints what it found.
 * Without names all run but `unet`, which writes 3.5 GB into the temporary folder and must be asked for.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { fullSizeUnet } from './full-size-unet.ts';
import { batchingBench } from './batching/batching.ts';
import { farmBench } from './farm.ts';
import { intakeBench } from './intake/intake.ts';
import { latencyBench } from './latency.ts';
import { formatReport, type BenchResult } from './report.ts';

const BENCHES: ReadonlyMap<string, () => Promise<BenchResult>> = new Map([
  ['farm', farmBench],
  ['batching', () => batchingBench(loadConfig(process.env))],
  ['latency', latencyBench],
  ['intake', intakeBench],
  ['unet', unetBench],
]);
const BY_NAME_ONLY = new Set(['unet']);

// An exit of our own takes the farm along.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
  },
});

const unknown = positionals.filter((name) => !BENCHES.has(name));
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(', ')}; there are ${[...BENCHES.keys()].join(', ')}`);
  process.exit(2);
}

const results: BenchResult[] = [];
for (const [name, run] of BENCHES) {
  const isWanted = positionals.length > 0 ? positionals.includes(name) : !BY_NAME_ONLY.has(name);
  if (!isWanted) continue;
  // One at a time: they would measure each other.
  results.push(await run());
}
console.log(formatReport(results, values.json ? 'json' : values.markdown ? 'markdown' : 'text'));

async function unetBench(): Promise<BenchResult> {
  const rows = await fullSizeUnet();
  return {
    bench: 'unet',
    about: 'the UNet of Stable Diffusion 2.1 at full size on the CPU, random weights, profile lean',
    figures: rows.map(({ name, value }) => ({ name, text: value })),
  };
}
