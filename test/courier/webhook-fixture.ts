/** A courier that tells webhooks, in this process, with a real receiver at the other end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import type { JobRef, Txt2ImgParams } from '../../src/domain/job.ts';
import type { JobWebhookEvent } from '../../src/domain/webhook.ts';
import { WebhookDeliveries, type LoggedDelivery } from '../../src/queue/webhook-deliveries.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { WebhookCourier } from '../../workers/courier/webhooks/webhook-courier.ts';
import { LANE, queueFixture, type QueueFixture } from '../queue/fixture.ts';
import { letTimePass } from '../queue/webhook-fixture.ts';
import { newRef, someParams, someResult } from '../support/jobs.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const SECRETS = [1, 2].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);
/** Both sign. */
export const [NEW_SECRET = '', OLD_SECRET = ''] = SECRETS;

export class CourierFixture {
  readonly q: QueueFixture;
  readonly receiver: WebhookReceiver;
  readonly deliveries: WebhookDeliveries;
  readonly #folder: string;
  #stop: () => Promise<void> = () => Promise.resolve();

  constructor(q: QueueFixture, receiver: WebhookReceiver, folder: string) {
    this.q = q;
    this.receiver = receiver;
    this.#folder = folder;
    this.deliveries = new WebhookDeliveries(q.redis, q.keys, { logTtlMs: 60_000 });
  }

  async start(env: Record<string, string> = {}): Promise<void> {
    const config = loadConfig({
      KILN_WEBHOOK_ALLOW: this.receiver.origin,
      KILN_WEBHOOK_SECRETS: SECRETS.join(','),
      KILN_PUBLIC_URL: 'https://kiln.example/',
      ...env,
    });
    const stopping = new AbortController();
    const { redis, keys, records } = this.q;
    const store = new LocalStore(this.#folder);
    const registry = new Registry();
    const rest = { config, consumer: 'c', registry, signal: stopping.signal, log: pino({ level: 'silent' }) };
    const courier = new WebhookCourier({ redis, keys, records, store, ...rest });
    await courier.create();
    const running = courier.run();
    this.#stop = async () => {
      stopping.abort();
      courier.stopReading();
      await running;
    };
  }

  async close(): Promise<void> {
    // First, so that nothing is under way any more.
    await this.receiver.close();
    await this.#stop();
    await rm(this.#folder, { recursive: true });
  }

  /** The webhook of a job. */
  hook(path: string, events: readonly JobWebhookEvent[] = ['completed']): Pick<Txt2ImgParams, 'webhook'> {
    return { webhook: { url: this.receiver.origin + path, events } };
  }

  async admitted(params: Partial<Txt2ImgParams> = {}): Promise<JobRef> {
    const ref = newRef();
    await this.q.records.admit({ ref, params: someParams(params), lane: LANE });
    return ref;
  }

  async claim(ref: JobRef): Promise<number> {
    const outcome = await this.q.records.claim(ref, 'w');
    if (outcome.kind !== 'claimed') throw new Error(`the claim was refused: ${outcome.state}`);
    return outcome.fence;
  }

  async complete(ref: JobRef): Promise<void> {
    const fence = await this.claim(ref);
    await this.q.records.commit(ref, fence, someResult(ref, fence));
  }

  /** Resolves with the delivery once it is so. */
  async until(id: string, isSo: (found: LoggedDelivery) => boolean): Promise<LoggedDelivery> {
    for (;;) {
      const found = await this.deliveries.read('default', id);
      if (found !== undefined && isSo(found)) return found;
    }
  }

  letTimePass(): Promise<void> {
    return letTimePass(this.q.redis, this.q.keys);
  }
}

/** Call at the top of a test file; the function gives the fixture of the running test. */
export function courierFixture(): () => CourierFixture {
  const q = queueFixture();
  let fixture: CourierFixture;
  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kiln-webhooks-'));
    fixture = new CourierFixture(q(), await new WebhookReceiver().start(), folder);
  });
  afterEach(() => fixture.close());
  return () => fixture;
}
