/**
 * `npm run bench [-- NAME...] [--json | --markdown]`: measures Kiln on this machine and prints what it found.
 * Without names all run but those on full-size networks: they take minutes and write gigabytes of random weights into
 * the temporary folder, to be removed in the end.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { architecturesBench } from './architectures/architectures.ts';
import { batchingBench } from './batching/batching.ts';
import { acceptanceBench } from './bulk/acceptance.ts';
import { bulkBench } from './bulk/bulk.ts';
import { farmBench } from './farm.ts';
import { intakeBench } from './intake/intake.ts';
import { latencyBench } from './latency.ts';
import { formatReport, type BenchResult } from './report.ts';
import { swapBench } from './swap/swap.ts';
import { textCacheBench } from './text-cache/text-cache.ts';

const config = loadConfig(process.env);

const BENCHES: ReadonlyMap<string, () => Promise<BenchResult>> = new Map([
  ['farm', farmBench],
  ['batching', () => batchingBench(config)],
  ['latency', latencyBench],
  ['intake', intakeBench],
  ['acceptance', acceptanceBench],
  ['bulk', bulkBench],
  ['architectures', () => architecturesBench(config)],
  ['swap', () => swapBench(config)],
  ['text-cache', () => textCacheBench(config)],
]);
const BY_NAME_ONLY = new Set(['architectures', 'swap', 'text-cache']);

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
