/**
 * The truth about every job. A method is one atomic script: it checks the old state and the fence, and writes record,
 * history, index and outbox together. Nothing else in Kiln writes a state.
 *
 * A script that was applied although its answer got lost can be called again: it finds its own work and gives the
 * same answer, so a client that sends commands again after a lost connection does no harm.
 */
import type { Redis } from 'ioredis';
import { stepsOfJob } from '../domain/job-steps.ts';
import type { JobState, TerminalState } from '../domain/job-state.ts';
import type { JobFailure, JobParams, JobProgress, JobRecord, JobRef, JobResult } from '../domain/job.ts';
import { toRecord, toState } from './job-hash.ts';
import { readStory, toHistoryEntry, type HistoryEntry, type JobStory } from './job-story.ts';
import { listJobs, readJobs, type JobFilter, type JobPage } from './job-list.ts';
import type { Keys } from './keys.ts';
import type { LivePreview } from './live-message.ts';
import { pairUp, toList } from './replies.ts';
import { Script } from './script.ts';
import { ADMIT } from './scripts/admit.ts';
import { CANCEL } from './scripts/cancel.ts';
import { CLAIM } from './scripts/claim.ts';
import { COMMIT } from './scripts/commit.ts';
import { FAIL } from './scripts/fail.ts';
import { HAND_BACK } from './scripts/hand-back.ts';
import { PREVIEW } from './scripts/preview.ts';
import { PROGRESS } from './scripts/progress.ts';
import { TRANSITION } from './scripts/transition.ts';

/** Longer than most steps take; an image of 20 kB is all that an abandoned one leaves for so long. */
const PREVIEW_TTL_MS = 60_000;
const IDEMPOTENCY_TTL_MS = 24 * 3_600_000;
const ARCHIVED_ROW_TTL_MS = 60_000;

export interface Idempotency {
  readonly key: string;
  readonly bodyHash: string;
}

export interface Admission {
  readonly ref: JobRef;
  readonly params: JobParams;
  readonly lane: string;
  readonly idempotency?: Idempotency;
}

/** The job that an idempotency key made before: `existing` of the same request, `conflict` of another. */
export interface PriorJob {
  readonly kind: 'existing' | 'conflict';
  readonly id: string;
}

export type AdmitOutcome = { readonly kind: 'admitted'; readonly record: JobRecord } | PriorJob;

export type ClaimOutcome =
  | { readonly kind: 'claimed'; readonly fence: number; readonly record: JobRecord }
  | { readonly kind: 'refused'; readonly state: JobState | 'missing' };

export type CancelOutcome =
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'terminal'; readonly state: TerminalState }
  | { readonly kind: 'missing' };

export interface ProgressUpdate {
  readonly ref: JobRef;
  readonly fence: number;
  readonly progress: JobProgress;
}

/** Why a run ended without a result, and what that costs the job. */
const HAND_BACK_COSTS = {
  drain: [],
  engine_crash: ['crashes', 1],
  solo_crash: ['crashes', 1, 'soloCrashes', 1],
  retry: ['attempts', 1],
  lost: [],
} as const satisfies Record<string, readonly (string | number)[]>;
export type HandBackReason = keyof typeof HAND_BACK_COSTS;

export interface Usage {
  readonly jobs: number;
  readonly images: number;
  readonly sampleSteps: number;
}

const SCRIPTS = {
  admit: new Script(TRANSITION, ADMIT),
  claim: new Script(TRANSITION, CLAIM),
  progress: new Script(PROGRESS),
  show: new Script(PREVIEW),
  commit: new Script(TRANSITION, COMMIT),
  fail: new Script(TRANSITION, FAIL),
  handBack: new Script(TRANSITION, HAND_BACK),
  cancel: new Script(TRANSITION, CANCEL),
} as const;

export class JobRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #ttlMs: number;

  constructor(redis: Redis, keys: Keys, options: { readonly recordTtlMs: number }) {
    this.#redis = redis;
    this.#keys = keys;
    this.#ttlMs = Math.ceil(options.recordTtlMs);
  }

  /** Writes the record of a new job, unless its idempotency key was used in the last 24 h. */
  async admit({ ref, params, lane, idempotency }: Admission): Promise<AdmitOutcome> {
    const keys = [...this.#keys.transition(ref), this.#keys.tenants];
    if (idempotency !== undefined) keys.push(this.#keys.idempotency(ref.tenant, idempotency.key));
    const [kind, answer] = toList(
      await SCRIPTS.admit.run(this.#redis, keys, [
        ...this.#arguments(ref),
        lane,
        JSON.stringify(params),
        stepsOfJob(params),
        idempotency?.bodyHash ?? '',
        IDEMPOTENCY_TTL_MS,
      ]),
    );
    if (kind === 'existing' || kind === 'conflict') return { kind, id: String(answer) };
    return { kind: 'admitted', record: toRecord(ref, pairUp(toList(answer))) };
  }

  /** What `admit` would find under the key, before the caller has gone to the trouble of all that `admit` wants. */
  async prior(tenant: string, { key, bodyHash }: Idempotency): Promise<PriorJob | undefined> {
    const [id, hash] = await this.#redis.hmget(this.#keys.idempotency(tenant, key), 'id', 'hash');
    if (typeof id !== 'string') return undefined;
    return { kind: hash === bodyHash ? 'existing' : 'conflict', id };
  }

  /**
   * Makes the caller the holder of the job, under the next fence. A job that is running already is claimed too: only
   * the holder of its BullMQ lock gets here, so the last holder has lost it.
   */
  async claim(ref: JobRef, worker: string): Promise<ClaimOutcome> {
    const [kind, value] = toList(await this.#run('claim', ref, [worker]));
    if (kind === 'claimed') {
      const record = toRecord(ref, pairUp(toList(value)));
      return { kind, fence: record.fence, record };
    }
    const state = String(value);
    return { kind: 'refused', state: state === 'missing' ? state : toState(state, `state of job ${ref.id}`) };
  }

  /** One answer an update: false when the job is no longer the caller's, who must drop its samples. */
  async progress(updates: readonly ProgressUpdate[]): Promise<boolean[]> {
    if (updates.length === 0) return [];
    const answers = await SCRIPTS.progress.run(
      this.#redis,
      updates.map(({ ref }) => this.#keys.job(ref)),
      updates.flatMap(({ fence, progress: { step, steps, etaSeconds } }) => [
        fence,
        step,
        steps,
        etaSeconds ?? '',
      ]),
    );
    return toList(answers).map((answer) => answer === 1);
  }

  /**
   * Shows how far an image is to who listens, and for a minute to who comes later: each preview takes the place of the
   * one before, in no record and in no outbox. False when the job is no longer of the run that it shows.
   */
  async show(ref: JobRef, preview: LivePreview): Promise<boolean> {
    const keys = [this.#keys.job(ref), this.#keys.previews(ref)];
    const args = [preview.run, preview.n, JSON.stringify(preview), PREVIEW_TTL_MS, this.#keys.live(ref)];
    return (await SCRIPTS.show.run(this.#redis, keys, args)) === 1;
  }

  /** Ends the job as succeeded and counts it, once. The objects of the result must be readable before. */
  async commit(ref: JobRef, fence: number, result: JobResult): Promise<'committed' | 'stale'> {
    const answer = await this.#run(
      'commit',
      ref,
      [fence, JSON.stringify(result), result.images.length],
      [this.#keys.usage(ref.tenant)],
    );
    return answer === 'committed' ? answer : 'stale';
  }

  async fail(ref: JobRef, fence: number, failure: JobFailure): Promise<'failed' | 'stale'> {
    const answer = await this.#run('fail', ref, ['running', fence, JSON.stringify(failure), 'fail']);
    return answer === 'failed' ? answer : 'stale';
  }

  /** Ends a queued job that nobody can run, for example because its model is gone. Needs no claim. */
  async reject(ref: JobRef, failure: JobFailure): Promise<'failed' | 'stale'> {
    const answer = await this.#run('fail', ref, ['queued', '', JSON.stringify(failure), 'reject']);
    return answer === 'failed' ? answer : 'stale';
  }

  /** Gives the job back to its lane; its progress starts again. The BullMQ job is the caller's to return. */
  async handBack(ref: JobRef, fence: number, reason: HandBackReason): Promise<'queued' | 'stale'> {
    const answer = await this.#run('handBack', ref, [fence, reason, ...HAND_BACK_COSTS[reason]]);
    return answer === 'queued' ? answer : 'stale';
  }

  /** Final at once, also for a running job: its holder hears of it on the cancel channel, or from `progress`. */
  async cancel(ref: JobRef): Promise<CancelOutcome> {
    const message = JSON.stringify({ tenant: ref.tenant, id: ref.id });
    const [kind, state] = toList(await this.#run('cancel', ref, [message], [this.#keys.cancels]));
    if (kind === 'terminal') return { kind, state: toTerminal(state, ref) };
    return { kind: kind === 'cancelled' ? kind : 'missing' };
  }

  /**
   * The job's document is in the store. The record of a bulk's row is then not kept for longer than those need it who
   * are just told of its end: a bulk has a million of them.
   */
  async archived({ tenant, id, params }: JobRecord): Promise<void> {
    if (params.bulk === null) return;
    const ttlMs = Math.min(ARCHIVED_ROW_TTL_MS, this.#ttlMs);
    const both = [this.#keys.job({ tenant, id }), this.#keys.history({ tenant, id })];
    await Promise.all(both.map((key) => this.#redis.pexpire(key, ttlMs)));
  }

  async read(ref: JobRef): Promise<JobRecord | undefined> {
    const [record] = await readJobs(this.#redis, this.#keys, [ref]);
    return record;
  }

  /** Oldest first; the newest 256 transitions. */
  async history(ref: JobRef): Promise<HistoryEntry[]> {
    const entries = await this.#redis.lrange(this.#keys.history(ref), 0, -1);
    return entries.map((text, n) => toHistoryEntry(text, n, ref));
  }

  /** Record and history as of one moment; undefined when there is no record. */
  story(ref: JobRef): Promise<JobStory | undefined> {
    return readStory(this.#redis, this.#keys, ref);
  }

  /** Newest first. Throws InvalidCursorError for a cursor that no page gave. */
  list(tenant: string, filter: JobFilter): Promise<JobPage> {
    return listJobs(this.#redis, this.#keys, tenant, filter);
  }

  /** What the tenant's succeeded jobs add up to; a sample step is one UNet call for one image. */
  async usage(tenant: string): Promise<Usage> {
    const counts = await this.#redis.hgetall(this.#keys.usage(tenant));
    const count = (field: keyof Usage): number => Number(counts[field] ?? 0);
    return { jobs: count('jobs'), images: count('images'), sampleSteps: count('sampleSteps') };
  }

  #run(
    name: keyof typeof SCRIPTS,
    ref: JobRef,
    args: (string | number)[],
    moreKeys: string[] = [],
  ): Promise<unknown> {
    const keys = [...this.#keys.transition(ref), ...moreKeys];
    return SCRIPTS[name].run(this.#redis, keys, [...this.#arguments(ref), ...args]);
  }

  #arguments(ref: JobRef): (string | number)[] {
    return [ref.tenant, ref.id, this.#ttlMs];
  }
}

function toTerminal(state: unknown, ref: JobRef): TerminalState {
  if (state === 'succeeded' || state === 'failed' || state === 'cancelled') return state;
  throw new Error(`job ${ref.id} ended as ${String(state)}, which is not a terminal state`);
}
