/**
 * The truth about every bulk: its state, its counters, what its owner wants of it. A method is one atomic script. The
 * counters are changed by the scripts of the jobs, so they are right whenever they are looked at.
 *
 * A command that was carried out although its answer got lost can be sent again: it gives the same answer.
 */
import type { Redis } from 'ioredis';
import { BULK_STATES, type Bulk, type BulkFacts, type BulkRef, type BulkState } from '../domain/bulk.ts';
import type { JobRef } from '../domain/job.ts';
import type { JobState } from '../domain/job-state.ts';
import { redisTime } from './connection.ts';
import { factFields, toBulk } from './bulk-hash.ts';
import { readBulkStory, type BulkStory } from './bulk-story.ts';
import { toState } from './job-hash.ts';
import { afterCursor, toEntries } from './job-list.ts';
import type { Keys } from './keys.ts';
import { toList } from './replies.ts';
import { Script } from './script.ts';
import { ACCEPT_BULK, BULK, CANCEL_BULK, PAUSE_BULK, RESUME_BULK, RETRY_BULK } from './scripts/bulks.ts';

/** A job of the bulk that has not ended. */
export interface LiveJob extends JobRef {
  readonly state: JobState;
  readonly lane: string;
}

export type BulkOutcome<Done> =
  | ({ readonly kind: 'done' } & Done)
  /** The state that it is in does not allow it. */
  | { readonly kind: 'refused'; readonly state: BulkState | 'missing' };

export interface BulkPage {
  readonly bulks: Bulk[];
  /** Where the next page starts; null on the last. */
  readonly cursor: string | null;
}

const SCRIPTS = {
  accept: new Script(BULK, ACCEPT_BULK),
  pause: new Script(BULK, PAUSE_BULK),
  resume: new Script(BULK, RESUME_BULK),
  cancel: new Script(BULK, CANCEL_BULK),
  retry: new Script(BULK, RETRY_BULK),
} as const;

export class BulkRecords {
  readonly #redis: Redis;
  readonly #keys: Keys;

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Makes the bulk: from now on its rows are fed. All of them must be in the store before. Nothing happens when it is
   * there already. Throws when it has no rows.
   */
  async accept(ref: BulkRef, facts: BulkFacts): Promise<void> {
    if (!Number.isInteger(facts.rows) || facts.rows < 1) throw new RangeError(`a bulk of ${facts.rows} rows`);
    const { openBulks, tenants } = this.#keys;
    const keys = [this.#keys.bulks(ref.tenant), openBulks, tenants];
    await this.#run('accept', ref, keys, [openMember(ref), ...factFields(facts)]);
  }

  async read(ref: BulkRef): Promise<Bulk | undefined> {
    const fields = new Map(Object.entries(await this.#redis.hgetall(this.#keys.bulk(ref))));
    return fields.size === 0 ? undefined : toBulk(ref, fields);
  }

  /** Record and history as of one moment; undefined when there is no record. */
  story(ref: BulkRef): Promise<BulkStory | undefined> {
    return readBulkStory(this.#redis, this.#keys, ref);
  }

  /** No more rows are fed, and no queued job starts; those that run end. The answer has the jobs to take out of their lanes. */
  pause(ref: BulkRef): Promise<BulkOutcome<{ jobs: LiveJob[] }>> {
    return this.#command('pause', ref);
  }

  /** The answer has the jobs to put back into their lanes. */
  resume(ref: BulkRef): Promise<BulkOutcome<{ jobs: LiveJob[] }>> {
    return this.#command('resume', ref);
  }

  /** No more rows are fed, and no job starts. The answer has the jobs to cancel. */
  cancel(ref: BulkRef): Promise<BulkOutcome<{ jobs: LiveJob[] }>> {
    return this.#command('cancel', ref);
  }

  /** Failed rows wait for another run. The answer has their number. */
  async retry(ref: BulkRef): Promise<BulkOutcome<{ rows: number }>> {
    const [kind, value] = toList(await this.#run('retry', ref, [this.#keys.openBulks], [openMember(ref)]));
    return kind === 'done' ? { kind, rows: Number(value) } : refused(value);
  }

  /** Newest first. Throws InvalidCursorError for a cursor that no page gave. */
  async list(tenant: string, { limit, cursor }: { limit: number; cursor?: string }): Promise<BulkPage> {
    const index = this.#keys.bulks(tenant);
    const from = cursor === undefined ? '+inf' : afterCursor(cursor);
    const entries = toEntries(
      await this.#redis.zrevrangebyscore(index, from, '-inf', 'WITHSCORES', 'LIMIT', 0, limit),
    );
    const found = await Promise.all(entries.map(({ id }) => this.read({ tenant, id })));
    const expired = entries.filter((_entry, n) => found[n] === undefined).map(({ id }) => id);
    if (expired.length > 0) await this.#redis.zrem(index, ...expired);
    const last = entries.length < limit ? undefined : entries.at(-1);
    return { bulks: found.filter((bulk) => bulk !== undefined), cursor: last?.score ?? null };
  }

  /** The clock that all times of bulks come from. */
  now(): Promise<number> {
    return redisTime(this.#redis);
  }

  async #command(
    name: 'pause' | 'resume' | 'cancel',
    ref: BulkRef,
  ): Promise<BulkOutcome<{ jobs: LiveJob[] }>> {
    const [kind, value] = toList(await this.#run(name, ref));
    return kind === 'done' ? { kind, jobs: toLiveJobs(ref.tenant, toList(value)) } : refused(value);
  }

  #run(
    name: keyof typeof SCRIPTS,
    ref: BulkRef,
    keys: string[] = [],
    args: (string | number)[] = [],
  ): Promise<unknown> {
    const own = [this.#keys.bulk(ref), this.#keys.outbox];
    return SCRIPTS[name].run(this.#redis, [...own, ...keys], [ref.tenant, ref.id, ...args]);
  }
}

/** Neither a tenant's last part nor the id of a bulk holds a '/'. */
export function openMember({ tenant, id }: BulkRef): string {
  return `${tenant}/${id}`;
}

function refused(state: unknown): { readonly kind: 'refused'; readonly state: BulkState | 'missing' } {
  const known = BULK_STATES.find((candidate) => candidate === state);
  return { kind: 'refused', state: known ?? 'missing' };
}

function toLiveJobs(tenant: string, flat: readonly unknown[]): LiveJob[] {
  const jobs: LiveJob[] = [];
  for (let n = 0; n + 2 < flat.length; n += 3) {
    const id = String(flat[n]);
    jobs.push({
      tenant,
      id,
      state: toState(String(flat[n + 1]), `state of job ${id}`),
      lane: String(flat[n + 2]),
    });
  }
  return jobs;
}
