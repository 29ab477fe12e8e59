/** How much of the machine's own rate of taking jobs is left when they are taken the way Kiln does it. */
import { join } from 'node:path';
import autocannon from 'autocannon';
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { packageRoot } from '../../src/paths.ts';
import { openBooks } from '../../test/support/books.ts';
import { startFarm, type Farm } from '../../test/support/farm.ts';
import { FarmProcess } from '../../test/support/processes.ts';
import type { BenchResult } from '../report.ts';
import { median } from '../stats.ts';

const ROUNDS = 4;
const ROUND_SECONDS = 3;
const CONNECTIONS = 32;

const BODY = JSON.stringify({
  kind: 'txt2img',
  prompt: 'a large red sphere left of a small blue cube on a grey floor at sunset',
  negative_prompt: 'blurry',
  width: 128,
  height: 128,
  steps: 20,
  seed: 7,
});

export async function intakeBench(): Promise<BenchResult> {
  // No supervisor: jobs only pile up, so that rendering takes nothing from the intake.
  const farm = await startFarm({ supervisors: 0, env: { KILN_LOG_LEVEL: 'warn' } });
  const raw = new FarmProcess({
    name: 'raw-server',
    entry: join(packageRoot(), 'bench/intake/raw-server.ts'),
    execArgv: ['--import', 'tsx'],
    env: { REDIS_URL: farm.redis.url },
    logFile: join(farm.folder, 'raw-server.log'),
  });
  try {
    await offerModel(farm);
    const rawUrl = await raw.start();
    if (rawUrl === undefined) throw new Error('the raw server named no URL');
    return await compare(farm.url, rawUrl);
  } finally {
    await raw.stop();
    await farm.stop();
  }
}

async function compare(kilnUrl: string, rawUrl: string): Promise<BenchResult> {
  const kiln: number[] = [];
  const raw: number[] = [];
  await requestsPerSecond(kilnUrl);
  await requestsPerSecond(rawUrl);
  for (let round = 0; round < ROUNDS; round += 1) {
    kiln.push(await requestsPerSecond(kilnUrl));
    raw.push(await requestsPerSecond(rawUrl));
  }
  return {
    bench: 'intake',
    about: `POST /v1/jobs against bare Fastify + BullMQ add, ${CONNECTIONS} connections, medians of ${ROUNDS} alternating rounds`,
    figures: [
      { name: 'Kiln', value: median(kiln), unit: 'requests/s' },
      { name: 'bare Fastify + BullMQ', value: median(raw), unit: 'requests/s' },
      { name: 'Kiln / bare', value: median(kiln) / median(raw), unit: 'ratio' },
    ],
  };
}

async function requestsPerSecond(url: string): Promise<number> {
  const result = await autocannon({
    url: `${url}/v1/jobs`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: BODY,
    connections: CONNECTIONS,
    duration: ROUND_SECONDS,
  });
  const unanswered = result.non2xx + result.errors + result.timeouts;
  if (unanswered > 0)
    throw new Error(`${url}: ${unanswered} of ${result.requests.total} jobs were not taken`);
  return result.requests.average;
}

/** The API takes jobs only for models that someone offers. */
async function offerModel({ config }: Farm): Promise<void> {
  const books = openBooks(config);
  await new FarmRegistry(books.redis, books.keys).offerModels([
    {
      name: config.defaultModel,
      kinds: ['txt2img'],
      digest: 'bench',
      bytes: 0,
      memoryBytes: 0,
      defaultWidth: 128,
      defaultHeight: 128,
    },
  ]);
  await books.close();
}
