import { setTimeout as pause } from 'node:timers/promises';
import { Presets, SingleBar } from 'cli-progress';
import type { BulkView } from '../contract/bulk.ts';
import type { KilnClient } from './client.ts';

const POLL_MS = 500;
/** Lines that are told of a bulk when nobody sees a bar: at every twentieth of its rows. */
const LINES = 20;

interface Display {
  show(bulk: BulkView): void;
  close(): void;
}

/**
 * Shows the bulk until it is over: a bar on a terminal, lines for everything else, on stderr. Rejects with the reason
 * of the signal.
 */
export async function followBulk(
  client: KilnClient,
  accepted: BulkView,
  signal: AbortSignal,
): Promise<BulkView> {
  const display = process.stderr.isTTY ? bar() : lines();
  try {
    let bulk = accepted;
    for (;;) {
      display.show(bulk);
      if (isOver(bulk)) return bulk;
      await pause(POLL_MS, undefined, { signal });
      bulk = await client.bulk(bulk.id);
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    display.close();
  }
}

/** A cancelled one still has jobs that end. */
function isOver({ state, counts }: BulkView): boolean {
  return state === 'completed' || (state === 'cancelled' && counts.queued + counts.running === 0);
}

function endedRows({ counts: { succeeded, failed, cancelled } }: BulkView): number {
  return succeeded + failed + cancelled;
}

function bar(): Display {
  const single = new SingleBar(
    {
      format: '{bar} {value}/{total} rows  {state}  {failed} failed  {rate}  {eta_text}',
      stream: process.stderr,
      hideCursor: true,
      barsize: 32,
    },
    Presets.shades_classic,
  );
  single.start(1, 0, { state: '', failed: 0, rate: '', eta_text: '' });
  return {
    show: (bulk) => {
      single.setTotal(bulk.rows);
      single.update(endedRows(bulk), {
        state: bulk.state,
        failed: bulk.counts.failed,
        rate: rateOf(bulk),
        eta_text: etaOf(bulk),
      });
    },
    close: () => single.stop(),
  };
}

function lines(): Display {
  let told = '';
  return {
    show: (bulk) => {
      const ended = endedRows(bulk);
      const mark = `${bulk.state} ${Math.floor((ended / bulk.rows) * LINES)}`;
      if (mark === told) return;
      told = mark;
      const facts = [
        `${ended}/${bulk.rows} rows`,
        bulk.state,
        `${bulk.counts.failed} failed`,
        rateOf(bulk),
        etaOf(bulk),
      ];
      console.error(facts.filter((fact) => fact !== '').join(', '));
    },
    close: () => undefined,
  };
}

function rateOf({ rows_per_minute: rate }: BulkView): string {
  return rate === null ? '' : `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a minute`;
}

function etaOf({ eta_seconds: seconds }: BulkView): string {
  if (seconds === null) return '';
  return seconds < 120 ? `${seconds} s to go` : `${Math.ceil(seconds / 60)} min to go`;
}
