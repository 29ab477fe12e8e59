import { pid } from 'node:process';
import { describe, expect, test } from 'vitest';
import {
  checkInChild,
  type CheckedSource,
  type ParentHost,
} from '../../src/bulk-file/checker/check-process.ts';
import type { CheckOrder } from '../../src/bulk-file/check-file.ts';
import type { CheckReport } from '../../src/bulk-file/check-host.ts';
import { largestChildKiB } from '../support/memory.ts';
import { CollectingHost, inPieces, ORDER, refusal } from './collecting-host.ts';

const MIB = 1_024;
const NEVER = new AbortController().signal;

class Host extends CollectingHost implements ParentHost {
  rowBytes = 0;
  table = '';

  /** Counted, not kept: memory is what is measured. */
  override writeRows(_chunk: number, lines: Uint8Array): Promise<void> {
    this.rowBytes += lines.length;
    return Promise.resolve();
  }

  writeTable(text: Uint8Array): Promise<void> {
    this.table += Buffer.from(text).toString();
    return Promise.resolve();
  }
}

function run(
  source: CheckedSource,
  {
    host = new Host(),
    signal = NEVER,
    order = ORDER,
  }: { host?: Host; signal?: AbortSignal; order?: CheckOrder } = {},
): Promise<CheckReport> {
  return checkInChild(source, order, host, { signal });
}

async function* manyRows(count: number): AsyncGenerator<Uint8Array> {
  yield Buffer.from('prompt,seed,steps,ref\n');
  for (let from = 0; from < count; from += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, n) => {
      const row = from + n;
      return row % 50 === 0
        ? `a bad row,${row},999,row-${row}\n`
        : `"a cube, number ${row}",${row},20,row-${row}\n`;
    });
    yield await Promise.resolve(Buffer.from(rows.join('')));
  }
}

describe('the check of a file in a process of its own', () => {
  test('takes a hundred thousand rows without holding them', async () => {
    const host = new Host();
    const watch = new AbortController();
    const peak = largestChildKiB(pid, watch.signal);
    const report = await run({ table: manyRows(100_000) }, { host });
    watch.abort();
    expect(report).toMatchObject({ rows: 100_000, accepted: 98_000, images: 98_000 });
    expect(host.rowBytes).toBeGreaterThan(40_000_000);
    expect(host.faults.split('\n')).toHaveLength(2_002);
    expect(await peak).toBeLessThan(200 * MIB);
  }, 60_000);

  test('refuses what cannot be taken, and does not wait for the rest of it', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('prompt,nonsense\n');
      for (;;) yield await Promise.resolve(Buffer.alloc(64 * 1_024, 'x\n'));
    }
    const error = await refusal(run({ table: endless() }));
    expect(error.faults).toMatchObject([{ field: 'file', value: 'nonsense' }]);
  });

  test('ends with the error of its host, of its source, or of whoever gives up', async () => {
    class Failing extends Host {
      override writeRows(): Promise<void> {
        return Promise.reject(new Error('the disk is full'));
      }
    }
    await expect(run({ table: inPieces('prompt\na\n') }, { host: new Failing() })).rejects.toThrow(
      'the disk is full',
    );
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('prompt\na\n'));
      throw new Error('the store is gone');
    }
    await expect(run({ table: broken() })).rejects.toThrow('the store is gone');
    const gone = new AbortController();
    const stuck = run({ table: forever() }, { signal: gone.signal });
    gone.abort(new Error('nobody waits'));
    await expect(stuck).rejects.toThrow('nobody waits');
  });

  test('that dies says so', async () => {
    await expect(run({ zip: '/nowhere/upload.zip' })).rejects.toThrow(/ended without a word \(exit code 1\)/);
  });
});

async function* forever(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('prompt\n');
  await new Promise(() => undefined);
}
