/**
 * All settings: environment name, default, unit, meaning. Parsed once at the start of a process, frozen, and
 * handed down; nothing below reads the environment.
 */
import { cpus, hostname } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { envSchema } from 'env-schema';
import { Type, type Static } from 'typebox';
import { originsOf } from './net/allowed-origins.ts';
import type { OutboundPolicy } from './net/outbound-url.ts';
import { parseByteSize } from './domain/byte-size.ts';
import {
  asksForKey,
  OPERATIONS_VARIABLES,
  operationsSettings,
  type OperationsSettings,
} from './operations-settings.ts';
import { packageRoot } from './paths.ts';
import { STORE_VARIABLES, storeSettings, type StoreSettings } from './storage/store-settings.ts';
import { WEBHOOK_VARIABLES, webhookSettings, type WebhookSettings } from './webhook-settings.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const Environment = Type.Object({
  REDIS_URL: Type.String({ default: 'redis://127.0.0.1:6379', description: 'Redis with AOF and noeviction' }),
  KILN_PREFIX: Type.String({
    default: '{kiln}',
    description: 'starts every Redis key; the braces keep a cluster in one slot',
  }),
  KILN_HOST: Type.String({
    default: '127.0.0.1',
    description: 'beyond loopback only with KILN_API_KEYS or KILN_REQUIRE_KEY',
  }),
  KILN_PORT: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: '0 takes a free port' }),
  KILN_PUBLIC_URL: Type.String({
    default: '',
    description: 'start of image links, when a proxy stands in front',
  }),
  ...OPERATIONS_VARIABLES,
  KILN_DATA_DIR: Type.String({ default: '.kiln', description: 'images and the own Redis of `kiln up`' }),
  ...STORE_VARIABLES,
  KILN_MODELS_DIR: Type.String({ default: '', description: 'more folders with models, joined like PATH' }),
  KILN_DEFAULT_MODEL: Type.String({ default: 'pocket-base' }),
  KILN_DEVICE: Type.Union([Type.Literal('cpu'), Type.Literal('cuda')], { default: 'cpu' }),
  KILN_CPU_PROFILE: Type.Union([Type.Literal('lean'), Type.Literal('fast')], {
    default: 'lean',
    description:
      'lean maps weights in place; fast reorders them: more private memory, slower load, faster steps',
  }),
  KILN_THREADS: Type.Integer({ default: 0, minimum: 0, description: 'of one engine; 0 takes all cores' }),
  KILN_MAX_BATCH_SIZE: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 256,
    description: 'samples; 0 derives it from memory',
  }),
  KILN_VRAM_BUDGET: Type.String({
    default: '',
    description:
      'memory of the device for models, such as 6GB, 512MB or 2GiB; empty takes a share of all of it',
  }),
  KILN_PINNED_MODELS: Type.String({
    default: '',
    description: 'comma-separated names of models that are loaded at the start and stay in memory',
  }),
  KILN_LOCK_SECONDS: Type.Number({
    default: 60,
    minimum: 1,
    description: 'a job of a silent worker is given to another after this',
  }),
  KILN_STEP_DEADLINE_SECONDS: Type.Number({
    default: 300,
    minimum: 1,
    description: 'an engine without progress for so long is restarted',
  }),
  KILN_MAX_LANE_WAIT: Type.Number({
    default: 30,
    minimum: 0,
    description:
      'seconds; a lane whose oldest job waits longer gets its turn, though its model must be loaded',
  }),
  KILN_BULK_WINDOW: Type.Integer({
    default: 0,
    minimum: 0,
    description:
      'rows of bulks queued in a lane, for each tenant; 0 takes four for each sample that the workers hold, and 64 at least',
  }),
  KILN_DRAIN_SECONDS: Type.Number({
    default: 20,
    minimum: 0,
    description: 'time to finish running jobs at SIGTERM',
  }),
  KILN_RECORD_TTL_HOURS: Type.Number({
    default: 168,
    exclusiveMinimum: 0,
    description: 'finished records expire after this; job.json stays',
  }),
  KILN_INPUT_TTL_HOURS: Type.Number({
    default: 168,
    exclusiveMinimum: 0,
    description: 'images that callers sent go when no job and no look has used them for so long',
  }),
  KILN_FETCH_HTTP: Type.Boolean({
    default: false,
    description: 'lets jobs name images on port 80 by http, not only by https',
  }),
  KILN_FETCH_ALLOW: Type.String({
    default: '',
    description:
      'comma-separated origins, such as http://files.internal:9000, that images come from whatever their address',
  }),
  ...WEBHOOK_VARIABLES,
  KILN_LINK_TTL_SECONDS: Type.Integer({ default: 900, minimum: 1, description: 'life of an image link' }),
  KILN_RECONCILE_SECONDS: Type.Number({
    default: 30,
    exclusiveMinimum: 0,
    description: 'between two searches for jobs that fell out of a lane',
  }),
  KILN_LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info' },
  ),
});

export interface Config extends OperationsSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string;
  readonly dataDir: string;
  readonly store: StoreSettings;
  readonly modelDirs: readonly string[];
  readonly defaultModel: string;
  readonly device: 'cpu' | 'cuda';
  readonly cpuProfile: 'lean' | 'fast';
  readonly threads: number;
  /** 0: derived from memory when the model is known. */
  readonly maxBatchSize: number;
  /** Bytes; null: a share of the device's memory. */
  readonly memoryBudget: number | null;
  readonly pinnedModels: readonly string[];
  readonly lockMs: number;
  readonly stepDeadlineMs: number;
  readonly maxLaneWaitMs: number;
  /** 0: derived from the workers that are there. */
  readonly bulkWindow: number;
  readonly drainMs: number;
  readonly recordTtlMs: number;
  readonly inputTtlMs: number;
  /** Where Kiln goes on behalf of callers. */
  readonly outbound: OutboundPolicy;
  readonly webhooks: WebhookSettings;
  readonly linkTtlMs: number;
  readonly reconcileMs: number;
  readonly logLevel: string;
  readonly hostName: string;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Throws with every fault of the environment at once. */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const env = envSchema<Static<typeof Environment>>({
    schema: Environment,
    data: environment,
    dotenv: false,
  });
  const operations = operationsSettings(env);
  if (!asksForKey(operations) && !LOOPBACK.has(env.KILN_HOST)) {
    throw new Error(
      `KILN_HOST is ${env.KILN_HOST}: Kiln listens beyond loopback only when KILN_API_KEYS or KILN_REQUIRE_KEY is set`,
    );
  }
  const dataDir = resolve(packageRoot(), env.KILN_DATA_DIR);
  return Object.freeze({
    redisUrl: env.REDIS_URL,
    prefix: env.KILN_PREFIX,
    host: env.KILN_HOST,
    port: env.KILN_PORT,
    publicUrl: env.KILN_PUBLIC_URL.replace(/\/+$/, ''),
    ...operations,
    dataDir,
    store: storeSettings(env, join(dataDir, 'objects')),
    modelDirs: [
      join(packageRoot(), 'models'),
      ...env.KILN_MODELS_DIR.split(delimiter)
        .filter((dir) => dir !== '')
        .map((dir) => resolve(dir)),
    ],
    defaultModel: env.KILN_DEFAULT_MODEL,
    device: env.KILN_DEVICE,
    cpuProfile: env.KILN_CPU_PROFILE,
    threads: env.KILN_THREADS === 0 ? cpus().length : env.KILN_THREADS,
    maxBatchSize: env.KILN_MAX_BATCH_SIZE,
    memoryBudget: parseBudget(env.KILN_VRAM_BUDGET),
    pinnedModels: [...new Set(listOf(env.KILN_PINNED_MODELS))],
    lockMs: env.KILN_LOCK_SECONDS * SECOND,
    stepDeadlineMs: env.KILN_STEP_DEADLINE_SECONDS * SECOND,
    maxLaneWaitMs: env.KILN_MAX_LANE_WAIT * SECOND,
    bulkWindow: env.KILN_BULK_WINDOW,
    drainMs: env.KILN_DRAIN_SECONDS * SECOND,
    recordTtlMs: env.KILN_RECORD_TTL_HOURS * HOUR,
    inputTtlMs: env.KILN_INPUT_TTL_HOURS * HOUR,
    outbound: {
      allowHttp: env.KILN_FETCH_HTTP,
      allowedOrigins: originsOf('KILN_FETCH_ALLOW', env.KILN_FETCH_ALLOW),
    },
    webhooks: webhookSettings(env),
    linkTtlMs: env.KILN_LINK_TTL_SECONDS * SECOND,
    reconcileMs: env.KILN_RECONCILE_SECONDS * SECOND,
    logLevel: env.KILN_LOG_LEVEL,
    hostName: hostname(),
  });
}

function parseBudget(text: string): number | null {
  if (text.trim() === '') return null;
  const bytes = parseByteSize(text);
  if (bytes === undefined || bytes === 0) {
    throw new Error(
      `KILN_VRAM_BUDGET is ${text}: it must be an amount of memory, such as 6GB, 512MB or 2GiB`,
    );
  }
  return bytes;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
