/**
 * How runs end. The order of effects is always the same: image objects, then the record, then BullMQ; so a crash
 * between any two of them leaves a job that is run again or swept, never one that claims an image it does not have.
 *
 * Every step may be repeated. A step that finds the job no longer this worker's ('stale') deletes the worker's own
 * objects and leaves the record alone.
 */
import { createHash } from 'node:crypto';
import { forCallers } from '../../src/domain/caller-text.ts';
import type { RenderFailure } from '../../src/domain/failure.ts';
import type { RenderedImage } from '../../src/domain/job.ts';
import { decideRetry, type RunEnd } from '../../src/domain/retry.ts';
import type { HandBackReason, JobRecords } from '../../src/queue/job-records.ts';
import type { LanePuller } from '../../src/queue/lane-puller.ts';
import { depthMapKey, imageKey, latentsKey } from '../../src/storage/object-keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { encodeDepthMap, encodeImage } from './encode-image.ts';
import type { DeepGreyImage, RawImage } from './image/raw-image.ts';
import type { ImageSlot, RunningJob } from './running-jobs.ts';
import { untilRedisTakes } from './until-redis-takes.ts';

/** Safetensors have no registered type. */
const LATENTS_TYPE = 'application/octet-stream';

export interface JobEndingsParts {
  readonly records: Pick<JobRecords, 'commit' | 'fail' | 'handBack'>;
  readonly puller: Pick<LanePuller, 'complete' | 'retryLater' | 'handBack'>;
  readonly store: Pick<ObjectStore, 'put' | 'delete'>;
  /** Of the server: reasons that callers see do not name them. */
  readonly folders: readonly string[];
  /** Uniform in 0..1. */
  readonly random: () => number;
}

export class JobEndings {
  readonly #parts: JobEndingsParts;

  constructor(parts: JobEndingsParts) {
    this.#parts = parts;
  }

  /** Encodes an image of the job and writes it. Rejects when the store does. */
  async storeImage(job: RunningJob, slot: ImageSlot, image: RawImage): Promise<RenderedImage> {
    const { params } = job.record;
    const { n, seed } = slot;
    const { bytes, contentType, sha256 } = await encodeImage(image, params, seed);
    const key = imageKey(job.ref, { fence: job.fence, n, format: params.output.format });
    await this.#parts.store.put(key, bytes, contentType);
    const { width, height } = image;
    return { n, key, seed, width, height, bytes: bytes.length, sha256, contentType };
  }

  /** Writes the latents that a sample has stopped with. Rejects when the store does. */
  async storeLatents(job: RunningJob, slot: ImageSlot, file: Uint8Array): Promise<RenderedImage> {
    const { width, height } = job.record.params;
    const key = latentsKey(job.ref, job.fence, slot.n);
    await this.#parts.store.put(key, file, LATENTS_TYPE);
    const sha256 = createHash('sha256').update(file).digest('hex');
    return { ...slot, key, width, height, bytes: file.length, sha256, contentType: LATENTS_TYPE };
  }

  /** Writes a depth map, `[height, width]`, as a 16-bit grey PNG. Rejects when the store does. */
  async storeDepthMap(job: RunningJob, map: DeepGreyImage): Promise<RenderedImage> {
    const { bytes, contentType, sha256 } = await encodeDepthMap(map);
    const key = depthMapKey(job.ref, job.fence);
    await this.#parts.store.put(key, bytes, contentType);
    const { width, height } = map;
    const seed = job.record.params.seeds[0] ?? 0;
    return { n: 0, key, seed, width, height, bytes: bytes.length, sha256, contentType };
  }

  /** All images are stored: the job succeeds, unless it was cancelled or claimed by another meanwhile. */
  async commit(job: RunningJob, signal: AbortSignal): Promise<void> {
    const stored = [...job.stored.values()].toSorted((a, b) => a.image.n - b.image.n);
    const averageBatch = stored.reduce((sum, one) => sum + one.averageBatch, 0) / stored.length;
    const depthMap = job.depthMap === 'pending' ? null : job.depthMap;
    const files = stored.map(({ image }) => image);
    const [images, latents] = job.record.params.endStep === null ? [files, []] : [[], files];
    const result = { images, averageBatch, depthMap, latents };
    const outcome = await this.#redis(job, signal, () =>
      this.#parts.records.commit(job.ref, job.fence, result),
    );
    if (outcome === 'stale') await this.discard(job);
    await this.#redis(job, signal, () => this.#parts.puller.complete(job.pulled));
    job.log.info({ outcome, averageBatch }, 'Job was committed');
  }

  /** The run ended without a result; the retry table says what becomes of the job. */
  async end(job: RunningJob, end: RunEnd, signal: AbortSignal): Promise<void> {
    const decision = decideRetry(end, job.record, this.#parts.random());
    job.log.info({ end: end.kind, decision }, 'Run ended without a result');
    await this.discard(job);
    switch (decision.kind) {
      case 'fail':
        return this.#fail(job, decision.failure, signal);
      case 'hand_back':
        return this.#handBack(job, decision.reason, signal);
      case 'retry_later':
        return this.#retryLater(job, decision.delayMs, signal);
    }
  }

  /** The job is someone else's now, or cancelled: nothing of this run may stay. */
  async abandon(job: RunningJob, signal: AbortSignal): Promise<void> {
    await this.discard(job);
    await this.#redis(job, signal, () => this.#parts.puller.complete(job.pulled));
  }

  /** Deletes what this run has stored. What cannot be deleted now is swept with the fences that did not win. */
  async discard(job: RunningJob): Promise<void> {
    const maps = job.depthMap === null || job.depthMap === 'pending' ? [] : [job.depthMap];
    const images = [...job.stored.values()].map(({ image }) => image);
    const keys = [...images, ...maps].map(({ key }) => key);
    const deletions = await Promise.allSettled(keys.map((key) => this.#parts.store.delete(key)));
    for (const deletion of deletions) {
      if (deletion.status === 'rejected') {
        job.log.warn({ err: deletion.reason as unknown }, 'Image of an ended run was not deleted');
      }
    }
  }

  async #fail(job: RunningJob, failure: RenderFailure, signal: AbortSignal): Promise<void> {
    const told = { ...failure, message: forCallers(failure.message, this.#parts.folders) };
    await this.#redis(job, signal, () => this.#parts.records.fail(job.ref, job.fence, told));
    await this.#redis(job, signal, () => this.#parts.puller.complete(job.pulled));
  }

  async #handBack(job: RunningJob, reason: HandBackReason, signal: AbortSignal): Promise<void> {
    const outcome = await this.#redis(job, signal, () =>
      this.#parts.records.handBack(job.ref, job.fence, reason),
    );
    const { puller } = this.#parts;
    await this.#redis(job, signal, () =>
      outcome === 'queued' ? puller.handBack(job.pulled) : puller.complete(job.pulled),
    );
  }

  async #retryLater(job: RunningJob, delayMs: number, signal: AbortSignal): Promise<void> {
    const outcome = await this.#redis(job, signal, () =>
      this.#parts.records.handBack(job.ref, job.fence, 'retry'),
    );
    const { puller } = this.#parts;
    await this.#redis(job, signal, () =>
      outcome === 'queued' ? puller.retryLater(job.pulled, delayMs) : puller.complete(job.pulled),
    );
  }

  #redis<Result>(job: RunningJob, signal: AbortSignal, action: () => Promise<Result>): Promise<Result> {
    return untilRedisTakes(action, { signal, log: job.log });
  }
}
