/** What the farm consists of right now: its workers, the models they offer, the secret that signs its links. */
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { redisTime } from './connection.ts';
import type { Keys } from './keys.ts';
import { parseJson, toList } from './replies.ts';

export const MODEL_STATES = ['cold', 'loading', 'ready', 'failed', 'refused'] as const;

export interface WorkerModel {
  readonly name: string;
  /** `failed`: the last load went wrong, the next may not. `refused`: this worker cannot run it as it is. */
  readonly state: (typeof MODEL_STATES)[number];
  /** Why, for failed and refused. */
  readonly reason: string | null;
}

export interface WorkerStatus {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly device: string;
  readonly state: 'starting' | 'ready' | 'draining';
  readonly engine: 'starting' | 'ready' | 'restarting';
  /** Every model on its disk. */
  readonly models: readonly WorkerModel[];
  readonly runningSamples: number;
  readonly slots: number;
  readonly stepMs: number | null;
  /** Share of the last minute in which its device worked, 0 to 1. */
  readonly busyShare: number;
  readonly startedAt: number;
  readonly seenAt: number;
}

export interface OfferedModel {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly digest: string;
  /** Of its files, and of its weights as a worker holds them. */
  readonly bytes: number;
  readonly memoryBytes: number;
  readonly defaultWidth: number;
  readonly defaultHeight: number;
}

/** A model as the farm knows it, from what workers offered and from what those alive say of it. */
export interface FarmModel {
  readonly name: string;
  /** Null when no worker could read its folder. */
  readonly offer: OfferedModel | null;
  readonly workers: readonly (WorkerModel & { readonly worker: string })[];
  /** Why no worker that is alive can run it; null when one can, or when none has it. */
  readonly refusal: string | null;
}

const SECOND = 1_000;
const WORKER_TTL_MS = 15 * SECOND;
/** Jobs are taken for so long for a model whose workers are all away: long enough for a night without GPUs. */
const OFFER_TTL_MS = 24 * 3_600 * SECOND;
const SECRET_BYTES = 32;

export class FarmRegistry {
  readonly #redis: Redis;
  readonly #keys: Keys;
  #offered: readonly OfferedModel[] = [];

  constructor(redis: Redis, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Call every few seconds: the worker counts as gone after 15 s of silence. Renews its offer of models too. */
  async announce(worker: WorkerStatus): Promise<void> {
    await Promise.all([
      this.#redis.set(this.#keys.worker(worker.id), JSON.stringify(worker), 'PX', WORKER_TTL_MS),
      this.#redis.sadd(this.#keys.workers, worker.id),
      this.#writeOffer(),
    ]);
  }

  async withdraw(id: string): Promise<void> {
    await Promise.all([this.#redis.del(this.#keys.worker(id)), this.#redis.srem(this.#keys.workers, id)]);
  }

  /** Workers heard of in the last 15 s, by id. */
  async workers(): Promise<WorkerStatus[]> {
    const ids = (await this.#redis.smembers(this.#keys.workers)).toSorted();
    if (ids.length === 0) return [];
    const texts = await this.#redis.mget(ids.map((id) => this.#keys.worker(id)));
    const gone = ids.filter((_id, n) => texts[n] === null);
    if (gone.length > 0) await this.#redis.srem(this.#keys.workers, ...gone);
    return texts.filter((text) => text !== null).map(toWorker);
  }

  /** From now on this process offers these models: jobs for them are taken. */
  async offerModels(models: readonly OfferedModel[]): Promise<void> {
    this.#offered = models;
    await this.#writeOffer();
  }

  /** Models that a worker offered in the last 24 h, and those that workers alive know, by name. */
  async models(): Promise<FarmModel[]> {
    const [texts, now, workers] = await Promise.all([
      this.#redis.hvals(this.#keys.models),
      redisTime(this.#redis),
      this.workers(),
    ]);
    const oldest = now - OFFER_TTL_MS;
    const offers = texts.map(toOffer).filter(({ offeredAt }) => offeredAt >= oldest);
    return farmModels(
      offers.map(({ model }) => model),
      workers,
    );
  }

  /** 32 random bytes, the same for every process of the farm for as long as its Redis keeps data. */
  async linkSecret(): Promise<Buffer> {
    await this.#redis.set(this.#keys.linkSecret, randomBytes(SECRET_BYTES), 'NX');
    const secret = await this.#redis.getBuffer(this.#keys.linkSecret);
    if (secret?.length !== SECRET_BYTES) {
      throw new Error(
        `${this.#keys.linkSecret} holds ${secret?.length ?? 0} bytes instead of ${SECRET_BYTES}`,
      );
    }
    return secret;
  }

  async #writeOffer(): Promise<void> {
    if (this.#offered.length === 0) return;
    const offeredAt = await redisTime(this.#redis);
    const fields = this.#offered.flatMap((model) => [model.name, JSON.stringify({ ...model, offeredAt })]);
    await this.#redis.hset(this.#keys.models, ...fields);
  }
}

function farmModels(offers: readonly OfferedModel[], workers: readonly WorkerStatus[]): FarmModel[] {
  const known = workers.flatMap(({ id, models }) => models.map((model) => ({ ...model, worker: id })));
  const names = new Set([...offers, ...known].map(({ name }) => name));
  return [...names].toSorted().map((name) => {
    const own = known.filter((model) => model.name === name);
    const offer = offers.find((model) => model.name === name) ?? null;
    return { name, offer, workers: own, refusal: refusalOf(own) };
  });
}

function refusalOf(models: readonly WorkerModel[]): string | null {
  const isRefused = models.length > 0 && models.every(({ state }) => state === 'refused');
  return isRefused ? (models[0]?.reason ?? 'no reason was given') : null;
}

function toWorker(text: string): WorkerStatus {
  const field = reader(text, 'the status of a worker');
  const stepMs = field('stepMs');
  return {
    id: String(field('id')),
    host: String(field('host')),
    pid: Number(field('pid')),
    device: String(field('device')),
    state: oneOf(['starting', 'ready', 'draining'], field('state')),
    engine: oneOf(['starting', 'ready', 'restarting'], field('engine')),
    models: toList(field('models')).map(toWorkerModel),
    runningSamples: Number(field('runningSamples')),
    slots: Number(field('slots')),
    stepMs: stepMs === null ? null : Number(stepMs),
    busyShare: Number(field('busyShare') ?? 0),
    startedAt: Number(field('startedAt')),
    seenAt: Number(field('seenAt')),
  };
}

function toWorkerModel(value: unknown): WorkerModel {
  const field = fieldsOf(value, 'the state of a model');
  const reason = field('reason');
  return {
    name: String(field('name')),
    state: oneOf(MODEL_STATES, field('state')),
    reason: typeof reason === 'string' ? reason : null,
  };
}

function toOffer(text: string): { model: OfferedModel; offeredAt: number } {
  const field = reader(text, 'the offer of a model');
  const model = {
    name: String(field('name')),
    kinds: toStrings(field('kinds')),
    digest: String(field('digest')),
    bytes: Number(field('bytes')),
    memoryBytes: Number(field('memoryBytes') ?? field('bytes')),
    defaultWidth: Number(field('defaultWidth')),
    defaultHeight: Number(field('defaultHeight')),
  };
  return { model, offeredAt: Number(field('offeredAt')) };
}

function reader(text: string, what: string): (field: string) => unknown {
  return fieldsOf(parseJson(text), what);
}

function fieldsOf(value: unknown, what: string): (field: string) => unknown {
  if (typeof value !== 'object' || value === null) {
    throw new Error(`${what} is ${JSON.stringify(value)}, not an object`);
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  return (field) => fields.get(field);
}

function toStrings(value: unknown): string[] {
  return toList(value).map(String);
}

function oneOf<const T extends string>(known: readonly T[], value: unknown): T {
  const found = known.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`${String(value)} is none of ${known.join(', ')}`);
  return found;
}
