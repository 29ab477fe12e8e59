/**
 * The jobs this worker has claimed and not yet ended, and where each of their images is:
 *
 *   awaiting their inputs -> in the engine -> being stored -> stored; when all are stored the job is committing
 *
 * A job leaves the table exactly once; whoever takes it out ends it.
 */
import { EventEmitter, once } from 'node:events';
import type { Logger } from 'pino';
import type { JobProgress, JobRecord, JobRef, RenderedImage } from '../../src/domain/job.ts';
import { jobLog } from '../../src/log.ts';
import type { PulledJob } from '../../src/queue/lane-puller.ts';
import { isAborted } from '../../src/waiting.ts';
import type { EngineSample, SampleInputs } from './engine/sample-message.ts';
import { samplesOf, type JobSample } from './job-samples.ts';
import { Pace } from './pace.ts';

/** An image, or the latents that a job has stopped with. */
export interface StoredImage {
  readonly image: RenderedImage;
  readonly averageBatch: number;
}

export interface ImageSlot {
  /** Counted from 0. */
  readonly n: number;
  readonly seed: number;
}

export class RunningJob {
  readonly pulled: PulledJob;
  readonly record: JobRecord;
  readonly fence: number;
  readonly samples: readonly JobSample[];
  /** Says on every line which job and run it is of. */
  readonly log: Logger;
  /** Ids of the samples the engine still has. */
  readonly inEngine = new Set<string>();
  readonly stored = new Map<number, StoredImage>();
  /** Of a depth job that wants it back; pending while it is being stored. */
  depthMap: RenderedImage | 'pending' | null = null;
  /** Undefined until they are read, and again when the engine has given back the last sample. */
  #inputs: SampleInputs | undefined;
  #hasEntered = false;
  readonly #left = new Set<string>();
  readonly #pace = new Pace();
  readonly #calls = new Map<string, { call: number; calls: number }>();

  constructor(pulled: PulledJob, fence: number, record: JobRecord, log: Logger) {
    this.pulled = pulled;
    this.fence = fence;
    this.record = record;
    this.log = jobLog(log, { ...record, fence });
    this.samples = samplesOf(record, fence);
  }

  get ref(): JobRef {
    return this.pulled.ref;
  }

  get isCommitting(): boolean {
    return this.stored.size === this.samples.length && this.depthMap !== 'pending';
  }

  /** False while its inputs are read. */
  get hasEntered(): boolean {
    return this.#hasEntered;
  }

  /** What the engine is to have: one array for an input, however many samples hold it. */
  engineSamples(inputs: SampleInputs | undefined = this.#inputs): EngineSample[] {
    if (inputs === undefined) return [];
    return this.samples.filter(({ id }) => !this.#left.has(id)).map((sample) => ({ ...sample, inputs }));
  }

  /** The engine has been told of all its samples. */
  enter(inputs: SampleInputs): void {
    this.#inputs = inputs;
    this.#hasEntered = true;
    for (const { id } of this.samples) this.inEngine.add(id);
  }

  leave(sampleId: string): void {
    this.#left.add(sampleId);
    this.inEngine.delete(sampleId);
    if (this.inEngine.size === 0) this.#inputs = undefined;
  }

  /** Which of the job's images a sample becomes; throws for a sample of another job. */
  slotOf(sampleId: string): ImageSlot {
    const n = this.samples.findIndex((sample) => sample.id === sampleId);
    const sample = this.samples[n];
    if (sample === undefined) throw new Error(`job ${this.ref.id} has no sample ${sampleId}`);
    return { n, seed: sample.request.seed };
  }

  /** One UNet call of the engine's lane. `now` in milliseconds of a monotonic clock. */
  stepped(
    sampleId: string,
    calls: { call: number; calls: number },
    { lane, now }: { lane: string; now: number },
  ): void {
    this.#calls.set(sampleId, calls);
    this.#pace.stepped(lane, this.#done.step, now);
  }

  progress(now: number): JobProgress {
    const done = this.#done;
    return { ...done, etaSeconds: this.#pace.etaSeconds(done, now) };
  }

  get #done(): { step: number; steps: number } {
    const known = [...this.#calls.values()];
    const step = known.reduce((sum, { call }) => sum + call, 0);
    const steps = Math.max(0, ...known.map(({ calls }) => calls)) * this.samples.length;
    return { step, steps };
  }
}

export class RunningJobs {
  readonly #jobs = new Set<RunningJob>();
  readonly #bySample = new Map<string, RunningJob>();
  readonly #changes = new EventEmitter();

  add(job: RunningJob): void {
    this.#jobs.add(job);
    for (const { id } of job.samples) this.#bySample.set(id, job);
    this.#changes.emit('change');
  }

  /** False when someone else took it out before: then it is theirs to end. */
  remove(job: RunningJob): boolean {
    for (const { id } of job.samples) this.#bySample.delete(id);
    const removed = this.#jobs.delete(job);
    this.#changes.emit('change');
    return removed;
  }

  /** The engine has been told of all samples of the job. */
  enterEngine(job: RunningJob, inputs: SampleInputs): void {
    job.enter(inputs);
    this.#changes.emit('change');
  }

  /** The engine has given back a sample: its place is free, while its image is stored. */
  leftEngine(job: RunningJob, sampleId: string): void {
    job.leave(sampleId);
    this.#changes.emit('change');
  }

  has(job: RunningJob): boolean {
    return this.#jobs.has(job);
  }

  bySample(sampleId: string): RunningJob | undefined {
    return this.#bySample.get(sampleId);
  }

  /** More than one when a lock was lost and this worker pulled the job again. */
  byRef(ref: JobRef): RunningJob[] {
    return this.all().filter((job) => job.ref.id === ref.id && job.ref.tenant === ref.tenant);
  }

  all(): RunningJob[] {
    return [...this.#jobs];
  }

  get samplesInEngine(): number {
    return this.all().reduce((sum, job) => sum + job.inEngine.size, 0);
  }

  /** Those in the engine, and those that will be once their inputs are read. */
  get samplesToRender(): number {
    return this.all().reduce(
      (sum, job) => sum + (job.hasEntered ? job.inEngine.size : job.samples.length),
      0,
    );
  }

  /** Those, and images being stored. */
  get samples(): number {
    return this.#bySample.size;
  }

  /** Resolves when the condition holds, which is looked at after every change, or when the signal aborts. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !condition()) {
      try {
        await once(this.#changes, 'change', { signal });
      } catch (error) {
        if (!isAborted(signal)) throw error;
      }
    }
  }

  /** Resolves at the next change, or when the signal aborts. */
  async changed(signal: AbortSignal): Promise<void> {
    let isNews = false;
    await this.until(() => {
      const was = isNews;
      isNews = true;
      return was;
    }, signal);
  }

  /** Something outside the table that conditions look at has changed. */
  touch(): void {
    this.#changes.emit('change');
  }
}
