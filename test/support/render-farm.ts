/** A farm without an API: a real Redis, a real worker from dist/ with its engine child, jobs put in by hand. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { loadConfig, type Config } from '../../src/config.ts';
import { isTerminal } from '../../src/domain/job-state.ts';
import type { InputId, JobParams, JobRecord, JobRef, Txt2ImgParams } from '../../src/domain/job.ts';
import { laneName } from '../../src/domain/lane.ts';
import { packageRoot } from '../../src/paths.ts';
import { inputKey } from '../../src/storage/object-keys.ts';
import { openBooks, type Books } from './books.ts';
import { childrenOf, FarmProcess } from './processes.ts';
import { startRedis, type TestRedis } from './redis.ts';

const POLL_MS = 10;

export interface RenderFarm {
  readonly redis: TestRedis;
  readonly config: Config;
  readonly books: Books;
  readonly worker: FarmProcess;
  /** Another worker on the same Redis and store; `stop` stops it too. */
  addWorker(env?: Readonly<Record<string, string>>): FarmProcess;
  submit(params?: Partial<Txt2ImgParams>): Promise<JobRef>;
  /** A job of any kind. */
  submitJob(params: JobParams): Promise<JobRef>;
  /** Puts an input image into the store, under the id that an upload would give it. */
  putInput(png: Uint8Array): Promise<InputId>;
  read(ref: JobRef): Promise<JobRecord>;
  /** Resolves with the record when it meets the condition. */
  when(ref: JobRef, condition: (record: JobRecord) => boolean): Promise<JobRecord>;
  ended(ref: JobRef): Promise<JobRecord>;
  /** The worker's engine child, once there is one. */
  enginePid(worker?: FarmProcess): Promise<number>;
  logOf(worker?: FarmProcess): Promise<string>;
  stop(): Promise<void>;
}

/** Short locks and one thread; the worker is made but not started. */
export async function makeRenderFarm(env: Readonly<Record<string, string>> = {}): Promise<RenderFarm> {
  const folder = await mkdtemp(join(tmpdir(), 'kiln-render-'));
  const redis = await startRedis();
  const settings = {
    KILN_THREADS: '1',
    KILN_LOG_LEVEL: 'debug',
    ...env,
    REDIS_URL: redis.url,
    KILN_DATA_DIR: folder,
  };
  const config = loadConfig(settings);
  const books = openBooks(config);
  const workers: FarmProcess[] = [];
  const entry = join(packageRoot(), 'dist', 'workers', 'render', 'main.js');

  const addWorker: RenderFarm['addWorker'] = (more = {}) => {
    const name = `render-${workers.length}`;
    const logFile = join(folder, `${name}.log`);
    const worker = new FarmProcess({ name, entry, env: { ...settings, ...more }, logFile });
    workers.push(worker);
    return worker;
  };
  const worker = addWorker();

  const read: RenderFarm['read'] = async (ref) => {
    const record = await books.records.read(ref);
    if (record === undefined) throw new Error(`there is no job ${ref.id}`);
    return record;
  };
  const when: RenderFarm['when'] = async (ref, condition) => {
    for (;;) {
      const record = await read(ref);
      if (condition(record)) return record;
      await pause(POLL_MS);
    }
  };

  const submitJob: RenderFarm['submitJob'] = async (params) => {
    const ref = { tenant: 'default', id: `job-${randomUUID()}` };
    const lane = laneName(params);
    await books.records.admit({ ref, params, lane });
    await books.lanes.enqueue(ref, lane, params.priority);
    return ref;
  };

  return {
    redis,
    config,
    books,
    worker,
    addWorker,
    read,
    when,
    ended: (ref) => when(ref, ({ state }) => isTerminal(state)),
    submit: (changes = {}) => submitJob({ ...PARAMS, ...changes }),
    submitJob,
    async putInput(png) {
      const id = `up_${createHash('sha256').update(png).digest('hex')}`;
      await books.store.put(inputKey('default', id), png, 'image/png');
      return id;
    },
    async enginePid(of = worker) {
      for (;;) {
        const [pid] = await childrenOf(of.pid);
        if (pid !== undefined) return pid;
        await pause(POLL_MS);
      }
    },
    logOf: (of = worker) => readFile(of.logFile, 'utf8'),
    async stop() {
      await Promise.all(workers.map((one) => one.stop()));
      await books.close();
      await redis.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What jobs of all kinds have: small and quick. */
export const COMMON_PARAMS = {
  model: 'pocket-base',
  prompt: 'a red sphere on a grey floor by day',
  negativePrompt: '',
  width: 64,
  height: 64,
  steps: 4,
  guidanceScale: 4,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  seeds: [7],
  sampler: 'euler',
  priority: 'normal',
  output: { format: 'png', quality: 90 },
  metadata: {},
  webhook: null,
  bulk: null,
  preview: null,
  endStep: null,
  startFrom: null,
} as const satisfies Partial<JobParams>;

const PARAMS: Txt2ImgParams = { ...COMMON_PARAMS, kind: 'txt2img', upscale: null };
