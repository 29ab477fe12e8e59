import pretty from 'pino-pretty';
import { Command } from 'commander';
import { loadConfig, type Config } from '../../config.ts';
import { LocalFarm } from '../farm/local-farm.ts';
import { freePort, isPortFree } from '../farm/tcp.ts';
import { untilStopSignal } from '../signals.ts';

export function upCommand(): Command {
  return new Command('up')
    .description('run a whole farm on this machine until Ctrl-C')
    .addHelpText('after', '\nSettings come from the environment (KILN_PORT, KILN_DEVICE, REDIS_URL, ...).')
    .action(up);
}

async function up(): Promise<void> {
  const config = await withFreePort(loadConfig(process.env), process.env);
  const farm = new LocalFarm({ config, environment: process.env, onLog: logWriter(), report: console.error });
  const stopSignal = untilStopSignal(() => farm.kill());
  try {
    console.log('Starting Kiln ...');
    const ending = await Promise.race([farm.start(), stopSignal.then(() => 'stopped' as const)]);
    if (ending === 'stopped') return;
    announce(farm.url, config);
    await stopSignal;
    console.log('\nStopping: running jobs get their time to finish; Ctrl-C again ends everything at once.');
  } finally {
    await farm.stop();
  }
}

function announce(url: string, config: Config): void {
  const lines = [
    ['Kiln is ready', url],
    ['API and docs', `${url}/docs`],
    ['data', config.dataDir],
    ...(config.store.kind === 's3' ? [['images', `bucket ${config.store.bucket}`]] : []),
    ['device', config.device],
  ];
  console.log(`\n${lines.map(([topic, text]) => `  ${topic?.padEnd(15)}${text}`).join('\n')}\n`);
}

/**
 * The configured port, or a free one when nobody asked for a certain port and the default is taken: two farms can
 * then run side by side.
 */
async function withFreePort(config: Config, environment: NodeJS.ProcessEnv): Promise<Config> {
  const isChosen = (environment['KILN_PORT'] ?? '') !== '' && config.port !== 0;
  if (isChosen || (config.port !== 0 && (await isPortFree(config.port)))) return config;
  return { ...config, port: await freePort() };
}

/** Readable on a terminal, JSON for everything else. */
function logWriter(): (line: string) => void {
  if (!process.stdout.isTTY) return (line) => process.stdout.write(`${line}\n`);
  const stream = pretty({ destination: process.stdout, ignore: 'pid,hostname', singleLine: true });
  return (line) => stream.write(`${line}\n`);
}
