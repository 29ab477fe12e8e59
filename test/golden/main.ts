/**
 * `npm run golden -- DIR [--json]`: runs every case of a folder of reference data and compares.
 *
 * Prints a line per case, `ok|FAIL|skip name max_abs_error tolerance` (or the reason in place of the numbers), then
 * the totals; with --json one object per line. Exits 1 when a case failed, 2 when it was called wrongly.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { discover } from './discover.ts';
import { runCase, type Outcome } from './golden-case.ts';

const USAGE = 'Usage: npm run golden -- DIR [--json]';

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [dir, ...rest] = positionals;
  if (dir === undefined || rest.length > 0) throw new Error(USAGE);

  const totals = { passed: 0, failed: 0, skipped: 0 };
  const total = { ok: 'passed', FAIL: 'failed', skip: 'skipped' } as const;
  for await (const golden of discover(resolve(dir))) {
    const outcome = await runCase(golden);
    totals[total[outcome.outcome]]++;
    console.log(values.json ? JSON.stringify(outcome) : line(outcome));
  }
  const { passed, failed, skipped } = totals;
  console.log(
    values.json ? JSON.stringify(totals) : `${passed} passed, ${failed} failed, ${skipped} skipped`,
  );
  return failed > 0 ? 1 : 0;
}

function line(outcome: Outcome): string {
  const head = `${outcome.outcome.padEnd(4)} ${outcome.name}`;
  if ('reason' in outcome) return `${head} ${outcome.reason}`;
  const note = outcome.note === undefined ? '' : ` (${outcome.note})`;
  return `${head} ${outcome.error.toExponential(2)} ${outcome.tolerance.toExponential(0)}${note}`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
