/** The real API over real HTTP and a real Redis; the test plays the worker by calling the queue itself. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { Registry } from 'prom-client';
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { expect } from 'vitest';
import { buildApp } from '../../api/app.ts';
import type { ApiParts } from '../../api/parts.ts';
import { loadConfig, type Config } from '../../src/config.ts';
import { JobList, JobView } from '../../src/contract/job.ts';
import { Problem } from '../../src/contract/problem.ts';
import { DEFAULT_TENANT, type JobRef, type RenderedImage } from '../../src/domain/job.ts';
import { connectApi, disconnect } from '../../src/queue/connection.ts';
import { ImageDecoder } from '../../src/images/image-decoder.ts';
import { FarmMetrics } from '../../src/metrics/farm-metrics.ts';
import { ApiKeyRecords } from '../../src/queue/api-keys.ts';
import { readFarmFigures } from '../../src/queue/farm-figures.ts';
import { BulkFeed } from '../../src/queue/bulk-feed.ts';
import { BulkRecords } from '../../src/queue/bulk-records.ts';
import { FarmRegistry, type OfferedModel } from '../../src/queue/farm-registry.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { LaneSpeeds } from '../../src/queue/lane-speeds.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { LiveTail } from '../../src/queue/live-tail.ts';
import { OutboxTail } from '../../src/queue/outbox.ts';
import { WebhookDeliveries } from '../../src/queue/webhook-deliveries.ts';
import { RateCounter } from '../../src/queue/rate-counter.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { depthMapKey, imageKey } from '../../src/storage/object-keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

export const MODEL: OfferedModel = {
  name: 'pocket-base',
  kinds: ['txt2img'],
  digest: 'sha256:0',
  bytes: 1,
  memoryBytes: 2,
  defaultWidth: 128,
  defaultHeight: 64,
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface TestApi {
  readonly url: string;
  readonly redis: TestRedis;
  readonly parts: ApiParts;
  send(path: string, init?: RequestInit): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

interface ApiOptions {
  readonly config?: Partial<Config>;
  readonly log?: Logger;
  /** In place of a folder of its own. */
  readonly store?: ObjectStore;
}

export async function startApi(options: ApiOptions = {}): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'kiln-api-'));
  const redis = await startRedis();
  const config = { ...loadConfig({}), redisUrl: redis.url, ...options.config };
  const log = options.log ?? pino({ level: 'silent' });
  const client = connectApi(config, log);
  const keys = new Keys(config.prefix);
  const parts: ApiParts = {
    config,
    log,
    records: new JobRecords(client, keys, config),
    lanes: new Lanes(client, keys),
    bulks: new BulkRecords(client, keys),
    bulkFeed: new BulkFeed(client, keys),
    tail: new OutboxTail(client, keys, log),
    liveTail: new LiveTail(client, keys),
    registry: new FarmRegistry(client, keys),
    store: options.store ?? new LocalStore(folder),
    decoder: new ImageDecoder(),
    apiKeys: new ApiKeyRecords(client, keys),
    rates: new RateCounter(client, keys),
    metrics: new FarmMetrics({
      registry: new Registry(),
      read: () => readFarmFigures({ redis: client, keys, lanes: parts.lanes }),
      now: () => performance.now(),
    }),
    figures: () => readFarmFigures({ redis: client, keys, lanes: parts.lanes }),
    speeds: new LaneSpeeds(client, keys),
    webhooks: new WebhookDeliveries(client, keys, config.webhooks),
  };
  parts.tail.start();
  const app = await buildApp(parts);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  if (client.status !== 'ready') await new Promise((resolve) => client.once('ready', resolve));
  await parts.registry.offerModels([MODEL]);

  const send = async (path: string, init?: RequestInit): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  return {
    url,
    redis,
    parts,
    send,
    post: (path, body, headers = {}) =>
      send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    close: async () => {
      await app.close();
      parts.decoder.close();
      await parts.tail.close();
      parts.liveTail.close();
      await parts.lanes.close();
      disconnect(client);
      await redis.stop();
      await rm(folder, { recursive: true });
    },
  };
}

export const REQUEST = { kind: 'txt2img', prompt: 'a lighthouse at dawn' };

const checks = { job: Compile(JobView), list: Compile(JobList), problem: Compile(Problem) };

/** The body as a job, after holding it against its schema. */
export function jobOf(answer: Answer): JobView {
  expect([200, 202], answer.text).toContain(answer.status);
  return shaped(checks.job, answer);
}

export function listOf(answer: Answer): JobList {
  expect(answer.status, answer.text).toBe(200);
  return shaped(checks.list, answer);
}

export function problemOf(answer: Answer): Problem {
  expect(answer.headers.get('content-type'), answer.text).toContain('application/problem+json');
  const problem = shaped(checks.problem, answer);
  expect(problem.status).toBe(answer.status);
  expect(answer.headers.get('x-request-id')).toBe(problem.request_id);
  return problem;
}

function shaped<S extends TSchema>(check: Validator<{}, S>, { text }: Answer): Static<S> {
  const body: unknown = JSON.parse(text);
  if (!check.Check(body)) throw new Error(`${text} does not fit: ${JSON.stringify(check.Errors(body))}`);
  return body;
}

/** What a worker does to a job whose id the test knows. */
export class PlayedWorker {
  readonly #parts: ApiParts;

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  async claim(id: string): Promise<number> {
    const outcome = await this.#parts.records.claim(refOf(id), 'played');
    if (outcome.kind !== 'claimed') throw new Error(`job ${id} is ${outcome.state}`);
    return outcome.fence;
  }

  /** Stores bytes as everything the job asked for and commits; the bytes need not be an image for the API. */
  async succeed(id: string, bytes: Uint8Array): Promise<RenderedImage[]> {
    const ref = refOf(id);
    const fence = await this.claim(id);
    const record = await this.#parts.records.read(ref);
    if (record === undefined) throw new Error(`job ${id} has no record`);
    const { params } = record;
    const file = {
      width: params.width,
      height: params.height,
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    const images = params.seeds.map((seed, n) => ({
      n,
      key: imageKey(ref, { fence, n, format: params.output.format }),
      seed,
      ...file,
      contentType: `image/${params.output.format}`,
    }));
    const isMapAsked = params.kind === 'depth' && params.returnDepthMap;
    const map = { n: 0, key: depthMapKey(ref, fence), seed: 0, ...file, contentType: 'image/png' };
    const depthMap = isMapAsked ? map : null;
    for (const { key, contentType } of isMapAsked ? [...images, map] : images) {
      await this.#parts.store.put(key, bytes, contentType);
    }
    const outcome = await this.#parts.records.commit(ref, fence, {
      images,
      averageBatch: 2.5,
      depthMap,
      latents: [],
    });
    if (outcome !== 'committed') throw new Error(`commit of ${id} is ${outcome}`);
    return images;
  }
}

export function refOf(id: string): JobRef {
  return { tenant: DEFAULT_TENANT, id };
}
