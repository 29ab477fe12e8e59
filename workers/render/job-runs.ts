/**
 * From what the engine says to what becomes of jobs. A run ends once, by whatever comes first: its last image is
 * stored, a sample fails, the engine dies, the job is cancelled or claimed by another, a drain runs out. Whoever
 * takes the job out of the table ends it, so no two ends meet.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { JobRef } from '../../src/domain/job.ts';
import type { RunEnd } from '../../src/domain/retry.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import type { Background } from './background.ts';
import { messageOf } from './engine/failure-of.ts';
import { DOINGS, type Doing, type EngineCommand, type EngineEvent } from './engine/protocol.ts';
import type { EngineSample, SampleInputs } from './engine/sample-message.ts';
import type { EngineExit } from './engine-process.ts';
import type { JobEndings } from './job-endings.ts';
import { readInputs } from './job-inputs.ts';
import { inputsOf } from './job-samples.ts';
import type { PreviewEvent } from './preview-board.ts';
import type { RunningJob, RunningJobs } from './running-jobs.ts';

export interface JobRunsParts {
  readonly jobs: RunningJobs;
  readonly endings: JobEndings;
  readonly store: Pick<ObjectStore, 'get'>;
  /** Where endings run on. */
  readonly background: Background;
  /** Gives up on Redis. */
  readonly signal: AbortSignal;
  readonly toEngine: (command: EngineCommand) => void;
  readonly onProgress: (job: RunningJob) => void;
  readonly onPreview: (job: RunningJob, event: PreviewEvent) => void;
  readonly log: Logger;
}

type StepEvent = EngineEvent & { kind: 'stepped' };
/** What a sample ends in. */
type YieldEvent = EngineEvent & { kind: 'image' | 'latents' };
type DepthMapEvent = EngineEvent & { kind: 'depth_map' };

export class JobRuns {
  readonly #parts: JobRunsParts;

  constructor(parts: JobRunsParts) {
    this.#parts = parts;
  }

  /** In the table from now on: locks, cancellations and drains find it while its inputs are still read. */
  begin(job: RunningJob): void {
    this.#parts.jobs.add(job);
    if (inputsOf(job.record.params).length === 0) this.#enter(job, {});
    else this.#background('Reading inputs', job, () => this.#readInputs(job));
  }

  onEvent(event: EngineEvent): void {
    const { jobs, log } = this.#parts;
    switch (event.kind) {
      case 'stepped':
        this.#onStep(event);
        break;
      case 'image':
      case 'latents':
        this.#onYield(event);
        break;
      case 'preview':
        this.#onPreview(event);
        break;
      case 'depth_map':
        this.#onDepthMap(event);
        break;
      case 'failed':
        this.#onFailure(event);
        break;
      case 'model':
        log[event.state === 'failed' ? 'error' : 'info']({ model: event }, 'Model changed its state');
        break;
      case 'ready':
        // Those that came in while there was no engine.
        for (const job of jobs.all()) this.#toEngine(job.engineSamples());
        break;
      case 'aboard':
        break;
    }
  }

  /** Jobs that the engine has given back already are stored and committed as if nothing had happened. */
  onEngineExit({ aboard, doing, model }: EngineExit): void {
    const killed = new Set(aboard);
    for (const job of this.#parts.jobs.all()) {
      if (job.inEngine.size === 0) continue;
      const ownAboard = job.samples.filter(({ id }) => killed.has(id)).length;
      this.end(job, crashOf({ ownAboard, allAboard: killed.size, doing, model }));
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
      job.stepped(id, { call, calls }, { lane, now: performance.now() });
      onProgress(job);
    }
  }

  #onPreview(event: PreviewEvent): void {
    const job = this.#parts.jobs.bySample(event.id);
    if (job !== undefined) this.#parts.onPreview(job, event);
  }

  #onFailure({ id, failure }: EngineEvent & { kind: 'failed' }): void {
    const job = this.#parts.jobs.bySample(id);
    if (job !== undefined) this.end(job, { kind: 'failed', failure });
  }

  #onYield(event: YieldEvent): void {
    const job = this.#parts.jobs.bySample(event.id);
    if (job === undefined) return;
    this.#parts.jobs.leftEngine(job, event.id);
    this.#background('Storing an image', job, () => this.#store(job, event));
  }

  #onDepthMap(event: DepthMapEvent): void {
    const job = this.#parts.jobs.bySample(event.id);
    if (job === undefined) return;
    job.depthMap = 'pending';
    this.#background('Storing a depth map', job, () => this.#storeDepthMap(job, event));
  }

  async #store(job: RunningJob, event: YieldEvent): Promise<void> {
    const { endings } = this.#parts;
    const slot = job.slotOf(event.id);
    try {
      const image =
        event.kind === 'image'
          ? await endings.storeImage(job, slot, event)
          : await endings.storeLatents(job, slot, event.file);
      job.stored.set(slot.n, { image, averageBatch: event.averageBatch });
    } catch (error) {
      return this.#cannotStore(job, `image ${slot.n}`, error);
    }
    return this.#afterStore(job);
  }

  async #storeDepthMap(job: RunningJob, event: DepthMapEvent): Promise<void> {
    try {
      job.depthMap = await this.#parts.endings.storeDepthMap(job, event);
    } catch (error) {
      return this.#cannotStore(job, 'the depth map', error);
    }
    return this.#afterStore(job);
  }

  #cannotStore(job: RunningJob, what: string, error: unknown): void {
    const message = `${what} could not be stored: ${messageOf(error)}`;
    this.end(job, { kind: 'failed', failure: { code: 'store_failed', message } });
  }

  /** Whoever stores the last piece commits. */
  async #afterStore(job: RunningJob): Promise<void> {
    const { jobs, endings, signal } = this.#parts;
    // The run may have ended while it was being written.
    if (!jobs.has(job)) return endings.discard(job);
    if (!job.isCommitting) return;
    try {
      await endings.commit(job, signal);
    } finally {
      jobs.remove(job);
    }
  }

  async #readInputs(job: RunningJob): Promise<void> {
    const outcome = await readInputs(this.#parts.store, job);
    // Cancelled or drained meanwhile.
    if (!this.#parts.jobs.has(job)) return;
    if (outcome.kind === 'read') this.#enter(job, outcome.inputs);
    else this.end(job, { kind: 'failed', failure: outcome.failure });
  }

  #enter(job: RunningJob, inputs: SampleInputs): void {
    // Told before it is counted: the engine's deadline starts with the first work it has.
    this.#toEngine(job.engineSamples(inputs));
    this.#parts.jobs.enterEngine(job, inputs);
  }

  #toEngine(samples: EngineSample[]): void {
    if (samples.length > 0) this.#parts.toEngine({ kind: 'add', samples });
  }

  /** True for the one caller that ends the run. A job in its commit is left to that: it learns what is the case. */
  #take(job: RunningJob): boolean {
    if (job.isCommitting || !this.#parts.jobs.remove(job)) return false;
    if (job.inEngine.size > 0) this.#parts.toEngine({ kind: 'drop', ids: [...job.inEngine] });
    return true;
  }

  #background(title: string, job: RunningJob, task: () => Promise<void>): void {
    this.#parts.background.run(title, job.log, task);
  }
}

/**
 * Who is to blame for the death of an engine. A job is alone when nobody else's samples were aboard. While a model
 * is loaded, its jobs wait together but none of them is company to another: each of them alone would do the same.
 */
function crashOf(crash: {
  ownAboard: number;
  allAboard: number;
  doing: Doing | null;
  model: string | null;
}): RunEnd {
  const { ownAboard, allAboard, doing, model } = crash;
  if (doing === null || ownAboard === 0) return { kind: 'engine_died', aboard: 'no', doing: 'idle' };
  const alone = ownAboard === allAboard || doing === 'load';
  const words = doing === 'load' ? `${DOINGS[doing]} ${model}` : DOINGS[doing];
  return { kind: 'engine_died', aboard: alone ? 'alone' : 'in_company', doing: words };
}
