/**
 * Every Redis key of Kiln. `<p>` is the prefix; its braces keep the farm in one slot of a cluster, so that scripts
 * may touch several keys.
 *
 *   what belongs to a tenant
 *     <p>:t:<tenant>:job:<id>             hash    the job record: the truth
 *     <p>:t:<tenant>:history:<id>         list    JSON, one entry a transition; expires with the record
 *     <p>:t:<tenant>:job:<id>:previews    hash    JSON, the newest preview by number of the image; expires in a minute
 *     <p>:t:<tenant>:jobs                 zset    ids by creation: ms, made unique by a fraction
 *     <p>:t:<tenant>:jobs:<state>         zset    the same scores, ids of one state
 *     <p>:t:<tenant>:idempotency:<key>    hash    id and hash of the request that used the key; 24 h
 *     <p>:t:<tenant>:usage                hash    jobs, images, sampleSteps that succeeded
 *     <p>:t:<tenant>:bulks                zset    ids of bulks by creation
 *     <p>:t:<tenant>:bulk:<id>            hash    the bulk's record: the truth, its counters included
 *     <p>:t:<tenant>:bulk:<id>:<bits>     string  bitmaps by row: `fed`, `done`, `failed`
 *     <p>:t:<tenant>:bulk:<id>:history    list    JSON, what became of the bulk as a whole; expires with the record
 *     <p>:t:<tenant>:bulk:<id>:live       set     its jobs that are queued or running
 *     <p>:t:<tenant>:bulk:<id>:ends:<n>   hash    outcomes by row, of a chunk that is not in the store yet
 *     <p>:t:<tenant>:bulk:<id>:begun      set     chunks that have such a hash
 *     <p>:t:<tenant>:bulk:<id>:full       set     those to which nothing will be added
 *     <p>:t:<tenant>:windows              hash    rows of bulks that are queued, by lane
 *     <p>:t:<tenant>:webhook:delivery:<id>   hash  a message to one endpoint; expires after its end
 *     <p>:t:<tenant>:webhook:attempts:<id>   list  JSON, one entry an attempt to deliver it
 *     <p>:t:<tenant>:webhook:deliveries      zset  ids by creation, made unique as those of jobs
 *     <p>:t:<tenant>:webhook:settled         zset  ids by their end; the oldest go first
 *     <p>:t:<tenant>:webhook:endpoint:<e>    hash  health of an endpoint: failures, openUntil, disabled
 *     <p>:t:<tenant>:webhook:queue:<e>       zset  ids that wait, by the time they are due
 *     <p>:t:<tenant>:webhook:flying:<e>      zset  ids that a courier has under way, by the end of its lease
 *   what belongs to the farm
 *     <p>:tenants                         set     tenants that ever had a job
 *     <p>:lanes                           zset    lane names by last use
 *     <p>:lane:<name>:*                           BullMQ's keys of one lane
 *     <p>:bulks:open                      set     `<tenant>/<id>` of bulks that the feeder has work with
 *     <p>:outbox                          stream  one event a transition
 *     <p>:moves                           hash    changes of state, `to|from <state> <kind>`, ever growing
 *     <p>:waiting                         hash    `jobs|steps <lane>` of queued jobs
 *     <p>:speeds                          hash    JSON by lane: ms that a device needs for one step
 *     <p>:api-keys                        hash    JSON by id: keys of callers, hashed
 *     <p>:rate:<caller>                   string  requests in the window that runs; expires with it
 *     <p>:worker:<id>                     string  status of a worker, JSON; expires
 *     <p>:workers                         set     ids of workers
 *     <p>:models                          hash    offered models, JSON by name
 *     <p>:webhook:endpoints               zset    `<tenant>/<e>` by the time to look at them next
 *     <p>:webhook:progress                zset    [tenant, job] as JSON, by the next look at its progress
 *     <p>:webhook:secrets                 zset    what messages are signed with, by expiry
 *     <p>:link-secret                     string  32 random bytes that sign image links
 *     <p>:lease:<name>                    string  holder of a task that only one process does
 *     <p>:wake:<puller>                   zset    lets a puller interrupt its own blocking pop
 *   channels
 *     <p>:t:<tenant>:job:<id>:live                progress and previews of a running job, as JSON
 *     <p>:cancels                                 jobs that were cancelled while running
 *     <p>:lanes:new                               names of lanes at their first use
 */
import type { BulkRef } from '../domain/bulk.ts';
import type { JobRef } from '../domain/job.ts';
import { JOB_STATES, type JobState } from '../domain/job-state.ts';

export class Keys {
  readonly prefix: string;
  /** BullMQ's `prefix` option: it puts the lane name behind it. */
  readonly bull: string;
  readonly tenants: string;
  readonly lanes: string;
  readonly newLanes: string;
  readonly openBulks: string;
  readonly outbox: string;
  readonly moves: string;
  readonly waiting: string;
  readonly speeds: string;
  readonly apiKeys: string;
  readonly cancels: string;
  readonly workers: string;
  readonly models: string;
  readonly linkSecret: string;
  readonly webhookEndpoints: string;
  readonly webhookProgress: string;
  readonly webhookSecrets: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.bull = `${prefix}:lane`;
    this.tenants = `${prefix}:tenants`;
    this.lanes = `${prefix}:lanes`;
    this.newLanes = `${prefix}:lanes:new`;
    this.openBulks = `${prefix}:bulks:open`;
    this.outbox = `${prefix}:outbox`;
    this.moves = `${prefix}:moves`;
    this.waiting = `${prefix}:waiting`;
    this.speeds = `${prefix}:speeds`;
    this.apiKeys = `${prefix}:api-keys`;
    this.cancels = `${prefix}:cancels`;
    this.workers = `${prefix}:workers`;
    this.models = `${prefix}:models`;
    this.linkSecret = `${prefix}:link-secret`;
    this.webhookEndpoints = `${prefix}:webhook:endpoints`;
    this.webhookProgress = `${prefix}:webhook:progress`;
    this.webhookSecrets = `${prefix}:webhook:secrets`;
  }

  job(ref: JobRef): string {
    return `${this.#tenant(ref.tenant)}:job:${ref.id}`;
  }

  history(ref: JobRef): string {
    return `${this.#tenant(ref.tenant)}:history:${ref.id}`;
  }

  previews(ref: JobRef): string {
    return `${this.job(ref)}:previews`;
  }

  /** A channel. `scripts/progress.ts` makes the same name. */
  live(ref: JobRef): string {
    return `${this.job(ref)}:live`;
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

  delivery(tenant: string, id: string): string {
    return `${this.#tenant(tenant)}:webhook:delivery:${id}`;
  }

  deliveryAttempts(tenant: string, id: string): string {
    return `${this.#tenant(tenant)}:webhook:attempts:${id}`;
  }

  deliveries(tenant: string): string {
    return `${this.#tenant(tenant)}:webhook:deliveries`;
  }

  webhookEndpoint(tenant: string, endpoint: string): string {
    return `${this.#tenant(tenant)}:webhook:endpoint:${endpoint}`;
  }

  /** The record of a bulk, or what goes with it. The scripts of the bulks make the same names. */
  bulk(
    ref: BulkRef,
    part?: 'history' | 'fed' | 'done' | 'failed' | 'live' | 'begun' | 'full' | `ends:${number}`,
  ): string {
    const record = `${this.#tenant(ref.tenant)}:bulk:${ref.id}`;
    return part === undefined ? record : `${record}:${part}`;
  }

  bulks(tenant: string): string {
    return `${this.#tenant(tenant)}:bulks`;
  }

  windows(tenant: string): string {
    return `${this.#tenant(tenant)}:windows`;
  }

  worker(id: string): string {
    return `${this.prefix}:worker:${id}`;
  }

  lease(name: string): string {
    return `${this.prefix}:lease:${name}`;
  }

  rate(caller: string): string {
    return `${this.prefix}:rate:${caller}`;
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
