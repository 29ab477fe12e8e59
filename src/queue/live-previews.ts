/**
 * The newest preview of each image of a running job. They are in no record and in no outbox: each replaces the one
 * before, and all are gone soon after the last.
 */
import type { Redis } from 'ioredis';
import type { JobRef } from '../domain/job.ts';
import type { Keys } from './keys.ts';
import type { LivePreview } from './live-message.ts';
import { Script } from './script.ts';
import { PREVIEW } from './scripts/preview.ts';

/** Longer than most steps take; an image of 20 kB is all that an abandoned one leaves for so long. */
const LIFE_MS = 60_000;

const show = new Script(PREVIEW);

export class LivePreviews {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** False when the job is no longer of the run that the preview is of. */
  async show(ref: JobRef, preview: LivePreview): Promise<boolean> {
    const shown = await show.run(
      this.#redis,
      [this.#keys.job(ref), this.#keys.previews(ref)],
      [preview.run, preview.n, JSON.stringify(preview), LIFE_MS, this.#keys.live(ref)],
    );
    return shown === 1;
  }
}
