/** A whole farm for a test, on loopback and in a temp folder: its own Redis, and the processes as built in dist/. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, type Config } from '../../src/config.ts';
import { packageRoot } from '../../src/paths.ts';
import { FarmProcess, type ProcessOptions } from './processes.ts';
import { startRedis, type TestRedis } from './redis.ts';

export interface FarmOptions {
  /** Settings of every process, as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly supervisors?: number;
  /** Feeders of bulks; none by default. */
  readonly feeders?: number;
  /** What runs in place of a supervisor; the default is the real one. */
  readonly worker?: Pick<ProcessOptions, 'entry' | 'execArgv'>;
  /** An empty folder for objects and logs, which stays; without one, a temp folder that does not. */
  readonly folder?: string;
}

export interface Farm {
  readonly url: string;
  readonly redis: TestRedis;
  /** What the processes run with. */
  readonly config: Config;
  readonly folder: string;
  readonly api: FarmProcess;
  readonly courier: FarmProcess;
  readonly supervisors: readonly FarmProcess[];
  readonly feeders: readonly FarmProcess[];
  /** The API first, then the courier, the supervisors and the feeders. */
  readonly processes: readonly FarmProcess[];
  stop(): Promise<void>;
}

/** Resolves when all of it is usable; rejects, with everything stopped again, when one part does not come up. */
export async function startFarm(options: FarmOptions = {}): Promise<Farm> {
  const programs = { api: built('api/main.js'), courier: built('workers/courier/main.js') };
  const worker = options.worker ?? built('workers/render/main.js');
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'kiln-farm-')));
  const redis = await startRedis();
  const env = { KILN_LOG_LEVEL: 'info', ...options.env, REDIS_URL: redis.url, KILN_DATA_DIR: folder };
  const makeProcess = (name: string, program: Pick<ProcessOptions, 'entry' | 'execArgv'>): FarmProcess =>
    new FarmProcess({ name, ...program, env, logFile: join(folder, `${name}.log`) });

  const api = makeProcess('api', programs.api);
  const courier = makeProcess('courier', programs.courier);
  const supervisors = Array.from({ length: options.supervisors ?? 1 }, (_, index) =>
    makeProcess(`supervisor-${index}`, worker),
  );
  const feeders = Array.from({ length: options.feeders ?? 0 }, (_, index) =>
    makeProcess(`feeder-${index}`, built('workers/bulk/main.js')),
  );
  const processes = [api, courier, ...supervisors, ...feeders];
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.stop()));
    await redis.stop();
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    const [url] = await Promise.all([startApi(api), ...processes.slice(1).map((process) => process.start())]);
    const parts = { api, courier, supervisors, feeders, processes };
    return { url, redis, config: loadConfig(env), folder, ...parts, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Takes a free port once and keeps it: a restarted API answers where its callers look for it. */
async function startApi(api: FarmProcess): Promise<string> {
  api.configure({ KILN_PORT: '0' });
  const url = await api.start();
  if (url === undefined) throw new Error('the API is ready but named no URL');
  api.configure({ KILN_PORT: new URL(url).port });
  return url;
}

function built(path: string): Pick<ProcessOptions, 'entry'> {
  const entry = join(packageRoot(), 'dist', path);
  if (!existsSync(entry)) throw new Error(`${entry} is missing: run \`npm run build\` first`);
  return { entry };
}
