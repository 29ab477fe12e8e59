/** How much of BullMQ's own rate of adding jobs is left when they are rows of a bulk: read, recorded, counted, added. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { loadConfig } from '../../src/config.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { packageRoot } from '../../src/paths.ts';
import { openBooks, type Books } from '../../test/support/books.ts';
import { acceptedBulk } from '../../test/support/bulks.ts';
import { FarmProcess } from '../../test/support/processes.ts';
import { startRedis } from '../../test/support/redis.ts';
import type { BenchResult } from '../report.ts';
import { median } from '../stats.ts';

const ROWS = 50_000;
const ROUNDS = 3;
const JOBS_A_CALL = 1_000;
const POLL_MS = 10;
const PROMPT = 'a large red sphere left of a small blue cube on a grey floor at sunset';

export async function bulkBench(): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const redis = await startRedis();
  const env = {
    REDIS_URL: redis.url,
    KILN_DATA_DIR: folder,
    // Nobody renders: all rows are to be queued.
    KILN_BULK_WINDOW: String(2 * ROWS),
    KILN_LOG_LEVEL: 'warn',
  };
  const feeder = new FarmProcess({
    name: 'bulk',
    entry: join(packageRoot(), 'dist', 'workers', 'bulk', 'main.js'),
    env,
    logFile: join(folder, 'bulk.log'),
  });
  const books = openBooks(loadConfig(env));
  try {
    await feeder.start();
    const raw: number[] = [];
    const fed: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      raw.push(await rawRate(books));
      fed.push(await fedRate(books));
    }
    return report(raw, fed);
  } finally {
    await feeder.stop();
    await books.close();
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function report(raw: readonly number[], fed: readonly number[]): BenchResult {
  return {
    bench: 'bulk',
    about: `${ROWS} rows of a bulk become queued jobs, against addBulk of ${JOBS_A_CALL} BullMQ jobs at a time; medians of ${ROUNDS} alternating rounds`,
    figures: [
      { name: 'fed', value: median(fed), unit: 'rows/s' },
      { name: 'bare addBulk', value: median(raw), unit: 'rows/s' },
      { name: 'fed / bare', value: median(fed) / median(raw), unit: 'ratio' },
    ],
  };
}

/** Jobs as Kiln has them in its lanes: an id of their own, a priority, and hardly any data. */
async function rawRate({ redis }: Books): Promise<number> {
  await redis.flushall();
  const queue = new Queue('raw', { connection: redis, streams: { events: { maxLen: 100 } } });
  await queue.waitUntilReady();
  const start = performance.now();
  for (let from = 0; from < ROWS; from += JOBS_A_CALL) {
    await queue.addBulk(
      Array.from({ length: JOBS_A_CALL }, (_, n) => {
        const id = `job_00000000-0000-5000-8000-${String(from + n).padStart(12, '0')}`;
        return { name: 'raw', data: { id, tenant: 'default' }, opts: { jobId: id, priority: 1_000 } };
      }),
    );
  }
  const seconds = (performance.now() - start) / 1_000;
  await queue.close();
  return ROWS / seconds;
}

/** From the acceptance of the bulk to its last row being in its lane. */
async function fedRate(books: Books): Promise<number> {
  await books.redis.flushall();
  const bulks = new BulkRecords(books.redis, books.keys);
  const rows = Array.from({ length: ROWS }, () => ({ prompt: PROMPT, width: 512, height: 512 }));
  const ref = await acceptedBulk(books, rows);
  const start = performance.now();
  for (;;) {
    const waiting = await books.redis.zcard(books.keys.lane('pocket-base.512x512', 'prioritized'));
    if (waiting === ROWS) break;
    await pause(POLL_MS);
  }
  const seconds = (performance.now() - start) / 1_000;
  if ((await bulks.read(ref))?.counts.queued !== ROWS) throw new Error('the counts do not add up');
  return ROWS / seconds;
}
