import { setTimeout as pause } from 'node:timers/promises';
import { Presets, SingleBar } from 'cli-progress';
import type { JobView } from '../contract/job.ts';
import { isTerminal } from '../domain/job-state.ts';
import type { KilnClient } from './client.ts';

const POLL_MS = 250;

interface Display {
  show(job: JobView): void;
  close(): void;
}

/**
 * Shows the job until it has ended: a bar on a terminal, a line a change of state for everything else. On stderr, so
 * that stdout has the results alone. Rejects with the reason of the signal.
 */
export async function followJob(
  client: KilnClient,
  submitted: JobView,
  signal: AbortSignal,
): Promise<JobView> {
  const display = process.stderr.isTTY ? bar() : lines();
  try {
    let job = submitted;
    for (;;) {
      display.show(job);
      if (isTerminal(job.state)) return job;
      await pause(POLL_MS, undefined, { signal });
      job = await client.job(job.id);
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    display.close();
  }
}

function bar(): Display {
  const single = new SingleBar(
    { format: '{bar} {value}/{total} {state}', stream: process.stderr, hideCursor: true, barsize: 32 },
    Presets.shades_classic,
  );
  single.start(1, 0, { state: '' });
  return {
    show: ({ id, state, progress, queue_position: position }) => {
      single.setTotal(Math.max(1, progress.steps));
      single.update(progress.step, {
        state: position === null ? `${state} ${id}` : `number ${position} in line`,
      });
    },
    close: () => single.stop(),
  };
}

function lines(): Display {
  let told = '';
  return {
    show: ({ id, state, progress }) => {
      if (state === told) return;
      told = state;
      console.error(`${id} ${state} ${progress.step}/${progress.steps}`);
    },
    close: () => undefined,
  };
}
