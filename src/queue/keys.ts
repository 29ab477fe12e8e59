/**
 * Every Redis key of Kiln. `<p>` is the prefix; its braces keep the farm in one slot of a cluster, so that scripts
 * may touch several keys.
 *
 *   what belongs to a tenant
 *     <p>:t:<tenant>:job:<id>             hash    the job record: the truth
 *     <p>:t:<tenant>:history:<id>         list    JSON, one entry a transition; expires with the record
 *     <p>:t:<tenant>:jobs                 zset    ids by creation: ms, made unique by a fraction
 *     <p>:t:<tenant>:jobs:<state>         zset    the same scores, ids of one state
 *     <p>:t:<tenant>:idempotency:<key>    hash    id and hash of the request that used the key; 24 h
 *     <p>:t:<tenant>:usage                hash    jobs, images, sampleSteps that succeeded
 *   what belongs to the farm
 *     <p>:tenants                         set     tenants that ever had a job
 *     <p>:lanes                           zset    lane names by last use
 *     <p>:lane:<name>:*                           BullMQ's keys of one lane
 *     <p>:outbox                          stream  one event a transition
 *     <p>:worker:<id>                     string  status of a worker, JSON; expires
 *     <p>:workers                         set     ids of workers
 *     <p>:models                          hash    offered models, JSON by name
 *     <p>:link-secret                     string  32 random bytes that sign image links
 *     <p>:lease:<name>                    string  holder of a task that only one process does
 *     <p>:wake:<puller>                   zset    lets a puller interrupt its own blocking pop
 *   channels
 *     <p>:cancels                                 jobs that were cancelled while running
 *     <p>:lanes:new                               names of lanes at their first use
 */
import type { JobRef } from '../domain/job.ts';
import { JOB_STATES, type JobState } from '../domain/job-state.ts';

export class Keys {
  readonly prefix: string;
  /** BullMQ's `prefix` option: it puts the lane name behind it. */
  readonly bull: string;
  readonly tenants: string;
  readonly lanes: string;
  readonly newLanes: string;
  readonly outbox: string;
  readonly cancels: string;
  readonly workers: string;
  readonly models: string;
  readonly linkSecret: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.bull = `${prefix}:lane`;
    this.tenants = `${prefix}:tenants`;
    this.lanes = `${prefix}:lanes`;
    this.newLanes = `${prefix}:lanes:new`;
    this.outbox = `${prefix}:outbox`;
    this.cancels = `${prefix}:cancels`;
    this.workers = `${prefix}:workers`;
    this.models = `${prefix}:models`;
    this.linkSecret = `${prefix}:link-secret`;
  }

  job(ref: JobRef): string {
    return `${this.#tenant(ref.tenant)}:job:${ref.id}`;
  }

  history(ref: JobRef): string {
    return `${this.#tenant(ref.tenant)}:history:${ref.id}`;
  }

  index(tenant: string, state?: JobState): string {
    const all = `${this.#tenant(tenant)}:jobs`;
    return state === undefined ? all : `${all}:${state}`;
  }

  idempotency(tenant: string, key: string): string {
    return `${this.#tenant(tenant)}:idempotency:${key}`;
  }

  usage(tenant: string): string {
    return `${this.#tenant(tenant)}:usage`;
  }

  worker(id: string): string {
    return `${this.prefix}:worker:${id}`;
  }

  lease(name: string): string {
    return `${this.prefix}:lease:${name}`;
  }

  wake(puller: string): string {
    return `${this.prefix}:wake:${puller}`;
  }

  /** A key of BullMQ in a lane: a job hash by its id, or 'prioritized', 'active', 'marker' and so on. */
  lane(lane: string, part: string): string {
    return `${this.bull}:${lane}:${part}`;
  }

  /** The KEYS that every transition script takes, in the order of `scripts/transition.ts`. */
  transition(ref: JobRef): string[] {
    return [
      this.job(ref),
      this.history(ref),
      this.outbox,
      this.index(ref.tenant),
      ...JOB_STATES.map((state) => this.index(ref.tenant, state)),
    ];
  }

  #tenant(tenant: string): string {
    return `${this.prefix}:t:${tenant}`;
  }
}
