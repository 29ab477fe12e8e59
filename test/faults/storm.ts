/** One run: callers and faults at once, then calm until all is settled, then the evidence. */
import { setTimeout as pause } from 'node:timers/promises';
import { isTerminal } from '../../src/domain/job-state.ts';
import { jobDocumentKey } from '../../src/storage/object-keys.ts';
import { engineSteps, jobOf } from '../support/engine-log.ts';
import type { Farm } from '../support/farm.ts';
import { openBooks, type Books } from '../support/books.ts';
import { runCaller } from './clients.ts';
import { allRecords, collectEnd, jobsLeft } from './collect.ts';
import { acceptedIds, type Evidence } from './evidence.ts';
import type { History } from './history.ts';
import { Injector } from './inject.ts';
import type { Plan } from './plan.ts';
import { witness } from './witness.ts';

const POLL_MS = 200;
/** Time for the last jobs to end, after the last fault: fixed, and for each job of the plan. */
const SETTLE_MS = 60_000;
const SETTLE_MS_PER_JOB = 500;
/** Lanes and documents follow the last job: the courier and the reconciler work with a delay. */
const TIDY_MS = 20_000;
/** A worker that was frozen to the end gets its chance to write what it must not. */
const LATE_WRITERS_MS = 1_500;

export interface StormParts {
  readonly farm: Farm;
  readonly plan: Plan;
  readonly history: History;
  readonly expected: Evidence['expected'];
}

/** The evidence holds what does not settle in time as it is: judging it is the checker's part. */
export async function runStorm({ farm, plan, history, expected }: StormParts): Promise<Evidence> {
  const books = openBooks(farm.config);
  const stop = new AbortController();
  const witnessing = witness({ books, history }, stop.signal);
  const injector = new Injector({ farm, records: books.records, history });
  try {
    await Promise.all([
      injector.injectAll(plan.faults),
      ...plan.jobs.map((job) => runCaller(job, { url: farm.url, history })),
    ]);
    for (const process of farm.processes) await injector.expectAlive(process);
    history.add({ kind: 'roll_call', processes: farm.processes.length });
    await until(SETTLE_MS + plan.jobs.length * SETTLE_MS_PER_JOB, () => allEnded(books, history));
    await until(TIDY_MS, () => allTidy(books));
    await pause(LATE_WRITERS_MS);
    const end = await collectEnd(farm.url, books);
    for (const { at, worker, samples } of engineSteps(farm)) {
      history.add({ kind: 'step', worker, ids: [...new Set(samples.map(jobOf))] }, at);
    }
    return { history: history.entries, end, expected };
  } finally {
    stop.abort();
    await witnessing;
    await books.close();
  }
}

async function until(limitMs: number, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await condition()) && performance.now() < end) await pause(POLL_MS);
}

async function allEnded({ records }: Books, history: History): Promise<boolean> {
  const ended = new Set<string>();
  for (const record of await allRecords(records)) if (isTerminal(record.state)) ended.add(record.id);
  return acceptedIds(history.entries).every((id) => ended.has(id));
}

async function allTidy(books: Books): Promise<boolean> {
  const names = await books.lanes.names();
  const left = await Promise.all(names.map((name) => jobsLeft(name, books)));
  if (left.some((count) => count > 0)) return false;
  for (const record of await allRecords(books.records)) {
    if ((await books.store.get(jobDocumentKey(record))) === undefined) return false;
  }
  return true;
}
