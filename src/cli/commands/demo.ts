import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import type { JobView } from '../../contract/job.ts';
import { packageRoot } from '../../paths.ts';
import { KilnClient } from '../client.ts';
import { followJobs } from '../demo/follow.ts';
import { savePictures } from '../demo/pictures.ts';
import { DEMO_JOBS } from '../demo/requests.ts';
import { resultTable, seconds } from '../demo/results.ts';
import { LocalFarm } from '../farm/local-farm.ts';
import { endTenancy } from '../farm/redis-server.ts';
import { freePort } from '../farm/tcp.ts';
import { untilStopSignal } from '../signals.ts';

export function demoCommand(): Command {
  return new Command('demo')
    .description('start a farm, render a dozen pictures with the embedded model, stop it again')
    .option('--out <folder>', 'where the pictures go; emptied first', join(packageRoot(), 'kiln-demo'))
    .action(({ out }: { out: string }) => demo(out));
}

async function demo(out: string): Promise<void> {
  const environment = await demoEnvironment();
  const config = loadConfig(environment);
  // Every demo starts from nothing, and never pulls the data from under one that still runs.
  await endTenancy(config.dataDir);
  await rm(config.dataDir, { recursive: true, force: true });
  await mkdir(config.dataDir, { recursive: true });
  const logFile = join(config.dataDir, 'farm.log');
  const log = createWriteStream(logFile);
  const onLog = (line: string): void => void log.write(`${line}\n`);
  const farm = new LocalFarm({ config, environment, onLog, report: console.error });
  const stopping = new AbortController();
  void untilStopSignal(() => farm.kill()).then(() => stopping.abort());
  try {
    await render(farm, out, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) throw new Error('the demo was stopped', { cause: error });
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the demo failed: ${reason}\nThe farm's log: ${logFile}`, { cause: error });
  } finally {
    await farm.stop();
    log.end();
  }
}

/** A farm of its own beside any other: own folder, own port, open to this machine only. */
async function demoEnvironment(): Promise<NodeJS.ProcessEnv> {
  return {
    ...process.env,
    KILN_DATA_DIR: join(loadConfig(process.env).dataDir, 'demo'),
    KILN_PREFIX: '{kiln-demo}',
    KILN_HOST: '127.0.0.1',
    KILN_PORT: String(await freePort()),
    KILN_PUBLIC_URL: '',
    KILN_API_KEYS: '',
    KILN_STORE: 'local',
  };
}

async function render(farm: LocalFarm, out: string, signal: AbortSignal): Promise<void> {
  console.log('\nStarting a farm: Redis, API, render worker, courier');
  const startedAt = Date.now();
  await Promise.race([farm.start(), rejectsOn(signal)]);
  console.log(`  ready in ${seconds(Date.now() - startedAt)} at ${farm.url}\n`);

  console.log(`Rendering ${DEMO_JOBS.length} pictures`);
  const client = new KilnClient(farm.url);
  const renderingAt = Date.now();
  const submitted = await Promise.all(DEMO_JOBS.map((job) => client.submit(job)));
  const jobs = await followJobs(client, submitted, signal);
  const tookMs = Date.now() - renderingAt;
  for (const job of jobs) refuseFailure(job);

  const sheet = await savePictures(client, jobs, out);
  console.log(`\n${resultTable(jobs)}\n`);
  console.log(`${jobs.length} pictures in ${seconds(tookMs)}, in ${out}`);
  console.log(`All on one sheet: ${sheet}`);
}

function refuseFailure({ state, request, error }: JobView): void {
  if (state === 'succeeded') return;
  throw new Error(
    `"${request.prompt}" ${state}${error === null ? '' : `: ${error.message} (${error.code})`}`,
  );
}

function rejectsOn(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
