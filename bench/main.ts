/** `npm run bench [-- NAME...] [--json | --markdown]`: measures Kiln on this machine and prints what it found. */
import { parseArgs } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { batchingBench } from './batching/batching.ts';
import { farmBench } from './farm.ts';
import { intakeBench } from './intake/intake.ts';
import { latencyBench } from './latency.ts';
import { formatReport, type BenchResult } from './report.ts';

const BENCHES = new Map<string, () => Promise<BenchResult>>([
  ['farm', farmBench],
  ['batching', () => batchingBench(loadConfig(process.env))],
  ['latency', latencyBench],
  ['intake', intakeBench],
]);

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
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  // One at a time: they would measure each other.
  results.push(await run());
}
console.log(formatReport(results, values.json ? 'json' : values.markdown ? 'markdown' : 'text'));
