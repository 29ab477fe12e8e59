import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../src/config.ts';
import type { ImageDecoder } from '../src/images/image-decoder.ts';
import type { FarmMetrics } from '../src/metrics/farm-metrics.ts';
import type { ApiKeyRecords } from '../src/queue/api-keys.ts';
import type { BulkFeed } from '../src/queue/bulk-feed.ts';
import type { BulkRecords } from '../src/queue/bulk-records.ts';
import type { FarmFigures } from '../src/queue/farm-figures.ts';
import type { FarmRegistry } from '../src/queue/farm-registry.ts';
import type { JobRecords } from '../src/queue/job-records.ts';
import type { LaneSpeeds } from '../src/queue/lane-speeds.ts';
import type { Lanes } from '../src/queue/lanes.ts';
import type { LiveTail } from '../src/queue/live-tail.ts';
import type { OutboxTail } from '../src/queue/outbox.ts';
import type { WebhookDeliveries } from '../src/queue/webhook-deliveries.ts';
import type { RateCounter } from '../src/queue/rate-counter.ts';
import type { ObjectStore } from '../src/storage/object-store.ts';

/** What the API is built of; `main.ts` makes them, and so do the tests. */
export interface ApiParts {
  readonly config: Config;
  readonly log: Logger;
  readonly records: JobRecords;
  readonly lanes: Lanes;
  readonly bulks: BulkRecords;
  readonly bulkFeed: BulkFeed;
  readonly tail: OutboxTail;
  readonly liveTail: LiveTail;
  readonly registry: FarmRegistry;
  readonly store: ObjectStore;
  readonly decoder: ImageDecoder;
  readonly apiKeys: ApiKeyRecords;
  readonly rates: RateCounter;
  readonly metrics: FarmMetrics;
  /** What the farm is up to, and how fast its devices are. */
  readonly figures: () => Promise<FarmFigures>;
  readonly speeds: Pick<LaneSpeeds, 'read'>;
  readonly webhooks: WebhookDeliveries;
}

/** A Fastify instance whose handlers are typed by the TypeBox schemas of their routes. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
