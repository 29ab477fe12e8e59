/** A whole farm on this machine: Redis unless one is given, then courier, bulk, render and api, kept alive. */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Config } from '../../config.ts';
import { listenUrl } from '../../farm-origin.ts';
import { FARM_PROCESSES, farmProcessReady, forkFarmProcess, type FarmProcessName } from './farm-process.ts';
import { KeptChild, type ChildPlan } from './kept-child.ts';
import { planRedis, redisLogTail } from './redis-server.ts';

/** Beyond the drain time that the process itself keeps. */
const STOP_MARGIN_MS = 15_000;

export interface FarmOptions {
  /** Its port is not 0: a restarted API must come back where it was. */
  readonly config: Config;
  /** What the processes inherit; REDIS_URL in it means that the farm starts no Redis. */
  readonly environment: NodeJS.ProcessEnv;
  /** Takes each log line of each process, without the line feed. */
  readonly onLog: (line: string) => void;
  /** Takes what a person should know, such as a restart. */
  readonly report: (line: string) => void;
}

export class LocalFarm {
  readonly url: string;
  readonly #options: FarmOptions;
  /** In the order of their start. */
  readonly #children: KeptChild[] = [];
  #isStopping = false;

  constructor(options: FarmOptions) {
    this.#options = options;
    this.url = listenUrl(options.config);
  }

  /** Resolves when the farm takes jobs. Rejects when a process does not start; then stop() clears up. */
  async start(): Promise<void> {
    const redisUrl = await this.#startRedis();
    const { config, environment } = this.#options;
    const inherited: NodeJS.ProcessEnv = {
      ...environment,
      REDIS_URL: redisUrl,
      KILN_DATA_DIR: config.dataDir,
      KILN_PORT: String(config.port),
    };
    const environments = FARM_PROCESSES.map((name, n) => ({
      name,
      own: withMetricsPort(inherited, config, n),
    }));
    await Promise.all(environments.map(({ name, own }) => this.#startChild(this.#planProcess(name, own))));
  }

  /** In order: nothing new comes in, running jobs drain, the courier archives what ended, Redis saves. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const child of this.#children.toReversed()) await child.stop();
  }

  /** Ends every process at once. What ran is taken up again when a farm starts on the same Redis. */
  kill(): void {
    this.#isStopping = true;
    for (const child of this.#children) child.kill();
  }

  async #startRedis(): Promise<string> {
    const { config, environment } = this.#options;
    const given = environment['REDIS_URL'] ?? '';
    if (given !== '') return given;
    const plan = await planRedis(config.dataDir);
    try {
      await this.#startChild(plan);
    } catch (error) {
      throw new Error(`Redis did not start; its log ends with:\n${await redisLogTail(config.dataDir)}`, {
        cause: error,
      });
    }
    return `redis://127.0.0.1:${plan.port}`;
  }

  async #startChild(plan: ChildPlan): Promise<void> {
    if (this.#isStopping) throw new Error(`the farm was stopped before ${plan.name} started`);
    const child = new KeptChild(plan, this.#options.report);
    this.#children.push(child);
    await child.start();
  }

  #planProcess(name: FarmProcessName, environment: NodeJS.ProcessEnv): ChildPlan {
    const { config, onLog } = this.#options;
    const launch = (): ChildProcess => {
      const child = forkFarmProcess(name, { environment, output: 'pipe' });
      for (const output of [child.stdout, child.stderr]) {
        // Whole lines, so that the logs of several processes can share one output.
        if (output !== null) createInterface({ input: output }).on('line', onLog);
      }
      return child;
    };
    return { name, launch, ready: farmProcessReady, stopMs: config.drainMs + STOP_MARGIN_MS };
  }
}

/** A port for the metrics of each process, one after the other. */
function withMetricsPort(inherited: NodeJS.ProcessEnv, { metrics }: Config, n: number): NodeJS.ProcessEnv {
  return metrics.port === 0 ? inherited : { ...inherited, KILN_METRICS_PORT: String(metrics.port + n) };
}
