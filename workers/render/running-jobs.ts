/**
 * The jobs this worker has claimed and not yet ended, and where each of their images is:
 *
 *   in the engine -> being stored -> stored; when all are stored the job is committing
 *
 * A job leaves the table exactly once; whoever takes it out ends it.
 */
import { EventEmitter, once } from 'node:events';
import type { JobProgress, JobRecord, JobRef, RenderedImage } from '../../src/domain/job.ts';
import { runsSolo } from '../../src/domain/retry.ts';
import type { PulledJob } from '../../src/queue/lane-puller.ts';
import { isAborted } from '../../src/waiting.ts';
import type { EngineSample } from './engine/protocol.ts';

const SECOND = 1_000;

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
  readonly samples: readonly EngineSample[];
  /** Ids of the samples the engine still has. */
  readonly inEngine: Set<string>;
  readonly stored = new Map<number, StoredImage>();
  readonly #calls = new Map<string, { call: number; calls: number }>();
  #firstStepAt: number | undefined;

  constructor(pulled: PulledJob, fence: number, record: JobRecord) {
    this.pulled = pulled;
    this.fence = fence;
    this.record = record;
    this.samples = record.params.seeds.map((seed, n) => sampleOf(record, fence, { seed, n }));
    this.inEngine = new Set(this.samples.map((sample) => sample.id));
  }

  get ref(): JobRef {
    return this.pulled.ref;
  }

  get isCommitting(): boolean {
    return this.stored.size === this.samples.length;
  }

  /** Which of the job's images a sample becomes; throws for a sample of another job. */
  slotOf(sampleId: string): ImageSlot {
    const n = this.samples.findIndex((sample) => sample.id === sampleId);
    const sample = this.samples[n];
    if (sample === undefined) throw new Error(`job ${this.ref.id} has no sample ${sampleId}`);
    return { n, seed: sample.request.seed };
  }

  /** `now` in milliseconds of a monotonic clock. */
  stepped(sampleId: string, calls: { call: number; calls: number }, now: number): void {
    this.#firstStepAt ??= now;
    this.#calls.set(sampleId, calls);
  }

  /** The end is estimated from the pace so far, waits in the engine included; null before there is a pace. */
  progress(now: number): JobProgress {
    const known = [...this.#calls.values()];
    const step = known.reduce((sum, { call }) => sum + call, 0);
    const steps = Math.max(0, ...known.map(({ calls }) => calls)) * this.samples.length;
    const elapsedMs = now - (this.#firstStepAt ?? now);
    const etaSeconds = elapsedMs > 0 && step > 1 ? (elapsedMs / (step - 1) / SECOND) * (steps - step) : null;
    return { step, steps, etaSeconds: etaSeconds === null ? null : Math.round(etaSeconds * 10) / 10 };
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

  /** The engine has given back a sample: its place is free, while its image is stored. */
  leftEngine(job: RunningJob, sampleId: string): void {
    job.inEngine.delete(sampleId);
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

  /** Samples in the engine and images being stored. */
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

  /** Something outside the table that conditions look at has changed. */
  touch(): void {
    this.#changes.emit('change');
  }
}

function sampleOf(record: JobRecord, fence: number, image: { seed: number; n: number }): EngineSample {
  const { params } = record;
  return {
    id: `${record.id}/${fence}/${image.n}`,
    lane: record.lane,
    model: params.model,
    priority: params.priority,
    solo: runsSolo(record),
    request: {
      prompt: params.prompt,
      negativePrompt: params.negativePrompt,
      width: params.width,
      height: params.height,
      steps: params.steps,
      guidanceScale: params.guidanceScale,
      guidanceRescale: params.guidanceRescale,
      clipSkip: params.clipSkip,
      seed: image.seed,
      sampler: params.sampler,
    },
  };
}
