/** The harness's own way to a farm's truth: it waits out Redis outages, as a worker does. */
import type { Redis } from 'ioredis';
import { pino } from 'pino';
import type { Config } from '../../src/config.ts';
import { connectWorker, disconnect } from '../../src/queue/connection.ts';
import { JobRecords } from '../../src/queue/job-records.ts';
import { Keys } from '../../src/queue/keys.ts';
import { Lanes } from '../../src/queue/lanes.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { objectsFolder } from './objects-folder.ts';

export interface Books {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly records: JobRecords;
  readonly lanes: Lanes;
  readonly store: ObjectStore;
  close(): Promise<void>;
}

export function openBooks(config: Config): Books {
  const redis = connectWorker(config, pino({ level: 'silent' }));
  const keys = new Keys(config.prefix);
  const lanes = new Lanes(redis, keys);
  return {
    redis,
    keys,
    records: new JobRecords(redis, keys, { recordTtlMs: config.recordTtlMs }),
    lanes,
    store: new LocalStore(objectsFolder(config)),
    close: async () => {
      await lanes.close();
      disconnect(redis);
    },
  };
}
