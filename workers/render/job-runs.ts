/**
 * From what the engine says to what becomes of jobs. A run ends once, by whatever comes first: its last image is
 * stored, a sample fails, the engine dies, the job is cancelled or claimed by another, a drain runs out. Whoever
 * takes the job out of the table ends it, so no two ends meet.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { JobRef } from '../../src/domain/job.ts';
import type { RunEnd } from '../../src/domain/retry.ts';
import type { Background } from './background.ts';
import { messageOf } from './engine/failure-of.ts';
import { DOINGS, type Doing, type EngineCommand, type EngineEvent } from './engine/protocol.ts';
import type { EngineExit } from './engine-process.ts';
import type { JobEndings } from './job-endings.ts';
import type { RunningJob, RunningJobs } from './running-jobs.ts';

export interface JobRunsParts {
  readonly jobs: RunningJobs;
  readonly endings: JobEndings;
  /** Where endings run on. */
  readonly background: Background;
  /** Gives up on Redis. */
  readonly signal: AbortSignal;
  readonly toEngine: (command: EngineCommand) => void;
  readonly onProgress: (job: RunningJob) => void;
  readonly log: Logger;
}

type StepEvent = EngineEvent & { kind: 'stepped' };
type ImageEvent = EngineEvent & { kind: 'image' };

export class JobRuns {
  readonly #parts: JobRunsParts;

  constructor(parts: JobRunsParts) {
    this.#parts = parts;
  }

  begin(job: RunningJob): void {
    this.#toEngine(job);
    this.#parts.jobs.add(job);
  }

  onEvent(event: EngineEvent): void {
    const { jobs, log } = this.#parts;
    switch (event.kind) {
      case 'stepped':
        this.#onStep(event);
        break;
      case 'image':
        this.#onImage(event);
        break;
      case 'failed': {
        const job = jobs.bySample(event.id);
        if (job !== undefined) this.end(job, { kind: 'failed', failure: event.failure });
        break;
      }
      case 'model':
        log[event.state === 'failed' ? 'error' : 'info']({ model: event }, 'Model changed its state');
        break;
      case 'ready':
        // Claimed while the last engine was already dead.
        for (const job of jobs.all()) this.#toEngine(job);
        break;
      case 'aboard':
        break;
    }
  }

  /** Jobs that the engine has given back already are stored and committed as if nothing had happened. */
  onEngineExit({ aboard, doing }: EngineExit): void {
    const killed = new Set(aboard);
    for (const job of this.#parts.jobs.all()) {
      if (job.inEngine.size === 0) continue;
      const ownAboard = job.samples.filter(({ id }) => killed.has(id)).length;
      this.end(job, crashOf(job, { ownAboard, allAboard: killed.size, doing }));
    }
  }

  onCancel(ref: JobRef): void {
    for (const job of this.#parts.jobs.byRef(ref)) this.abandon(job);
  }

  /** The record is someone else's, or final. */
  abandon(job: RunningJob): void {
    if (!this.#take(job)) return;
    this.#background('Letting go of a job', job, () => this.#parts.endings.abandon(job, this.#parts.signal));
  }

  end(job: RunningJob, end: RunEnd): void {
    if (!this.#take(job)) return;
    this.#background('Ending a run', job, () => this.#parts.endings.end(job, end, this.#parts.signal));
  }

  #onStep({ lane, ms, samples }: StepEvent): void {
    const { jobs, onProgress, log } = this.#parts;
    log.debug({ lane, ms, samples: samples.map(({ id }) => id) }, 'Engine made a step');
    for (const { id, call, calls } of samples) {
      const job = jobs.bySample(id);
      if (job === undefined) continue;
      job.stepped(id, { call, calls }, performance.now());
      onProgress(job);
    }
  }

  #onImage(event: ImageEvent): void {
    const job = this.#parts.jobs.bySample(event.id);
    if (job === undefined) return;
    this.#parts.jobs.leftEngine(job, event.id);
    this.#background('Storing an image', job, () => this.#store(job, event));
  }

  async #store(job: RunningJob, event: ImageEvent): Promise<void> {
    const { jobs, endings, signal } = this.#parts;
    const slot = job.slotOf(event.id);
    try {
      const image = await endings.storeImage(job, slot, event);
      job.stored.set(slot.n, { image, averageBatch: event.averageBatch });
    } catch (error) {
      const message = `image ${slot.n} could not be stored: ${messageOf(error)}`;
      this.end(job, { kind: 'failed', failure: { code: 'store_failed', message } });
      return;
    }
    // The run may have ended while the image was being written.
    if (!jobs.has(job)) return endings.discard(job);
    if (!job.isCommitting) return;
    try {
      await endings.commit(job, signal);
    } finally {
      jobs.remove(job);
    }
  }

  #toEngine(job: RunningJob): void {
    const samples = job.samples.filter(({ id }) => job.inEngine.has(id));
    if (samples.length > 0) this.#parts.toEngine({ kind: 'add', samples });
  }

  /** True for the one caller that ends the run. A job in its commit is left to that: it learns what is the case. */
  #take(job: RunningJob): boolean {
    if (job.isCommitting || !this.#parts.jobs.remove(job)) return false;
    if (job.inEngine.size > 0) this.#parts.toEngine({ kind: 'drop', ids: [...job.inEngine] });
    return true;
  }

  #background(title: string, job: RunningJob, task: () => Promise<void>): void {
    this.#parts.background.run(title, { jobId: job.ref.id }, task);
  }
}

/**
 * Who is to blame for the death of an engine. A job is alone when nobody else's samples were aboard. While a model
 * is loaded, its jobs wait together but none of them is company to another: each of them alone would do the same.
 */
function crashOf(
  job: RunningJob,
  crash: { ownAboard: number; allAboard: number; doing: Doing | null },
): RunEnd {
  const { ownAboard, allAboard, doing } = crash;
  if (doing === null || ownAboard === 0) return { kind: 'engine_died', aboard: 'no', doing: 'idle' };
  const alone = ownAboard === allAboard || doing === 'load';
  const model = doing === 'load' ? ` ${job.record.params.model}` : '';
  return { kind: 'engine_died', aboard: alone ? 'alone' : 'in_company', doing: `${DOINGS[doing]}${model}` };
}
