/** How long a file of a million rows takes from its first byte to the accepted bulk, and what memory that needs. */
import { FarmRegistry } from '../../src/queue/farm-registry.ts';
import { openBooks } from '../../test/support/books.ts';
import { startFarm, type Farm } from '../../test/support/farm.ts';
import { largestChildKiB, peakKiB } from '../../test/support/memory.ts';
import type { BenchResult } from '../report.ts';

const ROWS = 1_000_000;
const ROWS_A_PIECE = 1_000;
const KIB_PER_MB = 1_000;

export async function acceptanceBench(): Promise<BenchResult> {
  // Nobody feeds and nobody renders: only the intake is measured.
  const farm = await startFarm({ supervisors: 0, env: { KILN_LOG_LEVEL: 'warn' } });
  const watch = new AbortController();
  try {
    await offerModel(farm);
    const largest = largestChildKiB(farm.api.pid, watch.signal);
    const start = performance.now();
    await upload(farm.url);
    const seconds = (performance.now() - start) / 1_000;
    watch.abort();
    const [api, check] = [peakKiB(farm.api.pid), await largest];
    return {
      bench: 'acceptance',
      about: `POST /v1/bulks of a CSV of ${ROWS} rows: stored, checked, written as parameters of jobs, accepted`,
      figures: [
        { name: 'rows', value: ROWS / seconds, unit: 'rows/s' },
        { name: 'whole file', value: seconds * 1_000, unit: 'ms' },
        { name: 'peak memory of the API', text: `${Math.round(api / KIB_PER_MB)} MB` },
        { name: 'peak memory of the check', text: `${Math.round(check / KIB_PER_MB)} MB` },
      ],
    };
  } finally {
    watch.abort();
    await farm.stop();
  }
}

async function upload(url: string): Promise<void> {
  const answer = await fetch(`${url}/v1/bulks?name=million`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: ReadableStream.from(table()),
    duplex: 'half',
  });
  const text = await answer.text();
  if (answer.status !== 202) throw new Error(`the bulk was not accepted: ${answer.status} ${text}`);
}

function* table(): Generator<Uint8Array> {
  yield Buffer.from('prompt,negative_prompt,seed,width,height,steps,ref,metadata.batch\n');
  for (let from = 0; from < ROWS; from += ROWS_A_PIECE) {
    const rows = Array.from({ length: ROWS_A_PIECE }, (_, n) => {
      const row = from + n;
      return `"a red sphere left of a blue cube, number ${row}",blurry,${row},128,128,20,row-${row},spring\n`;
    });
    yield Buffer.from(rows.join(''));
  }
}

/** Rows are taken only for models that someone offers. */
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
