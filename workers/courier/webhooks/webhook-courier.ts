/** The part of the courier that tells receivers: events become deliveries, and what is due is sent. */
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Config } from '../../../src/config.ts';
import { farmOrigin } from '../../../src/farm-origin.ts';
import { BulkRecords } from '../../../src/queue/bulk-records.ts';
import type { connectWorker } from '../../../src/queue/connection.ts';
import { FarmRegistry } from '../../../src/queue/farm-registry.ts';
import type { JobRecords } from '../../../src/queue/job-records.ts';
import type { Keys } from '../../../src/queue/keys.ts';
import { OutboxGroup } from '../../../src/queue/outbox-group.ts';
import { WebhookDeliveries } from '../../../src/queue/webhook-deliveries.ts';
import { ProgressWatch } from '../../../src/queue/webhook-progress.ts';
import { WebhookQueue } from '../../../src/queue/webhook-queue.ts';
import { WebhookSecrets } from '../../../src/queue/webhook-secrets.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { ImageLinks } from '../../../src/view/image-links.ts';
import { every } from '../../../src/waiting.ts';
import { attemptDelivery, type AttemptParts } from './attempt.ts';
import { takeEvents, type IntakeParts } from './intake.ts';
import { tellProgress } from './progress.ts';
import { Sender } from './sender.ts';
import { readJob, type SubjectParts } from './subjects.ts';
import { WebhookMetrics } from './webhook-metrics.ts';

const SECOND = 1_000;
/** An event whose courier died before the deliveries were made comes again after this. */
const REDELIVER_MS = 30 * SECOND;
const EVENTS_AT_ONCE = 100;
const PROGRESS_EVERY_MS = 5 * SECOND;
/** A lease is over when the attempt must have ended long ago. */
const LEASE_TIMEOUTS = 2;

export interface WebhookCourierParts {
  readonly redis: ReturnType<typeof connectWorker>;
  readonly keys: Keys;
  readonly records: JobRecords;
  readonly store: ObjectStore;
  readonly config: Config;
  /** Names this process among the couriers. */
  readonly consumer: string;
  readonly signal: AbortSignal;
  readonly registry: Registry;
  readonly log: Logger;
}

export class WebhookCourier {
  readonly #parts: WebhookCourierParts;
  readonly #group: OutboxGroup;
  readonly #sender: Sender;
  readonly #intake: IntakeParts;

  constructor(parts: WebhookCourierParts) {
    const { redis, keys, records, store, config, consumer, signal, log } = parts;
    this.#parts = parts;
    const bulks = new BulkRecords(redis, keys);
    const readBulk: SubjectParts['readBulk'] = (ref) => bulks.read(ref);
    const farm = new FarmRegistry(redis, keys);
    const links = new ImageLinks(() => farm.linkSecret(), config.linkTtlMs);
    const subjects = { records, store, links, readBulk, origin: farmOrigin(config) };
    const attempting = attemptParts(parts, subjects);
    this.#sender = new Sender({
      queue: attempting.queue,
      attempt: (held) => attemptDelivery(held, attempting),
      signal,
      log,
    });
    this.#group = new OutboxGroup(redis, keys, {
      group: 'webhooks',
      consumer,
      redeliverMs: REDELIVER_MS,
      count: EVENTS_AT_ONCE,
    });
    this.#intake = {
      group: this.#group,
      deliveries: new WebhookDeliveries(redis, keys, config.webhooks),
      progress: new ProgressWatch(redis, keys, { everyMs: PROGRESS_EVERY_MS }),
      readJob: (ref) => readJob(subjects, ref),
      readBulk,
      fallback: config.webhooks.fallback,
      wake: this.#sender.wake,
      signal,
      log,
    };
  }

  create(): Promise<void> {
    return this.#group.create();
  }

  /** Resolves after the signal, when the last turns are over and nothing is under way. */
  async run(): Promise<void> {
    const { signal, log } = this.#parts;
    await Promise.all([
      every(0, () => takeEvents(this.#intake), { title: 'Queueing webhooks', signal, log }),
      every(0, () => this.#sender.turn(), { title: 'Sending webhooks', signal, log }),
      every(SECOND, () => tellProgress(this.#intake), { title: 'Telling progress', signal, log }),
    ]);
    await this.#sender.idle();
  }

  stopReading(): void {
    this.#group.stopReading();
  }

  leave(): Promise<void> {
    return this.#group.leave();
  }
}

function attemptParts(
  { redis, keys, config, registry, log }: WebhookCourierParts,
  subjects: SubjectParts,
): AttemptParts {
  const { secrets, outbound, timeoutMs, logTtlMs } = config.webhooks;
  const made = new WebhookSecrets(redis, keys);
  return {
    queue: new WebhookQueue(redis, keys, { leaseMs: LEASE_TIMEOUTS * timeoutMs, logTtlMs }),
    subjects,
    secrets: () => (secrets.length > 0 ? Promise.resolve(secrets) : made.read()),
    policy: outbound,
    timeoutMs,
    metrics: new WebhookMetrics(registry),
    log,
  };
}
