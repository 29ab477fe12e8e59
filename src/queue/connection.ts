/**
 * Connections to Redis. Two kinds, because the two sides must fail differently: the API fails within seconds so
 * that it can answer 503, a worker waits until Redis is back.
 */
import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';

const SECOND = 1_000;

/** Beyond this, times in records and lock ages stop making sense, so a process refuses to start. */
const MAX_CLOCK_SKEW_MS = 2 * SECOND;

/** Longest block of one BZPOPMIN, XREAD or XREADGROUP. */
export const BLOCK_SECONDS = 5;

/** An unanswered command for so long means a dead peer; it must exceed BLOCK_SECONDS. */
const SILENT_SOCKET_MS = 15 * SECOND;

const retryStrategy = (times: number): number => Math.min(100 * times, SECOND);

/** Fails fast: no offline queue, at most one resend, 2 s a command. Never waits for Redis, not even at boot. */
export function connectApi(config: Pick<Config, 'redisUrl'>, log: Logger): Redis {
  return connect(config.redisUrl, log, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 2 * SECOND,
    connectTimeout: 2 * SECOND,
    retryStrategy,
  });
}

/** Waits out an outage: commands queue until Redis is back, and are sent again when the connection breaks. */
export function connectWorker(config: Pick<Config, 'redisUrl'>, log: Logger): Redis {
  return connect(config.redisUrl, log, {
    maxRetriesPerRequest: null,
    socketTimeout: SILENT_SOCKET_MS,
    retryStrategy,
  });
}

/**
 * A connection of its own for blocking commands and subscriptions. An interrupted command rejects: sent again, a
 * BZPOPMIN could take a marker for a caller that is gone. (Turning off `autoResendUnfulfilledCommands` would not do:
 * ioredis then leaves such a command pending for ever.)
 */
export function duplicateForBlocking(redis: Redis): Redis {
  const copy = redis.duplicate({
    enableOfflineQueue: true,
    maxRetriesPerRequest: 0,
    commandTimeout: undefined,
    socketTimeout: SILENT_SOCKET_MS,
  });
  // The main connection reports the outage; a second report for every copy would say nothing new.
  copy.on('error', ignoreConnectionError);
  return copy;
}

/** Thrown by code that finds the connection down before it sends anything. */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError';
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
const CONNECTION_MESSAGE =
  /Stream isn't writeable|Connection is closed|Command timed out|max retries per request|Socket timeout|ERR_SOCKET/i;
/** Replies that say 'not now': memory full, disk full, a replica, still loading, cluster or failover trouble. */
const REFUSAL_REPLY =
  /(?:^|\s|-)(?:OOM|MISCONF|READONLY|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS)\s/;

/** True when the error means that Redis cannot take the command now: the API answers 503 and Retry-After. */
export function isRedisUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof RedisUnavailableError || error.name === 'MaxRetriesPerRequestError') return true;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (CONNECTION_CODES.has(code) || CONNECTION_MESSAGE.test(error.message)) return true;
  if (error.name === 'ReplyError' && REFUSAL_REPLY.test(`${error.message} `)) return true;
  return isRedisUnavailable(error.cause);
}

/**
 * Refuses a Redis on which Kiln cannot keep its promises: one that evicts keys, or whose clock differs from ours.
 * A server without AOF only gets a warning: it is a fair choice for a trial.
 */
export async function checkRedis(redis: Redis, log: Logger): Promise<void> {
  const info = parseInfo(await redis.info());
  const policy = info.get('maxmemory_policy') ?? 'noeviction';
  const limit = Number(info.get('maxmemory') ?? 0);
  if (limit > 0 && policy !== 'noeviction') {
    throw new Error(`Redis has maxmemory ${limit} with maxmemory-policy ${policy}; Kiln needs noeviction`);
  }
  if (info.get('aof_enabled') === '0') {
    log.warn('Redis runs without appendonly: accepted jobs are lost when it stops');
  }
  const before = Date.now();
  const skewMs = (await redisTime(redis)) - (before + Date.now()) / 2;
  if (Math.abs(skewMs) > MAX_CLOCK_SKEW_MS) {
    throw new Error(
      `the clock of Redis is ${Math.round(skewMs)} ms ahead of this machine; the limit is ${MAX_CLOCK_SKEW_MS} ms either way`,
    );
  }
}

/** The clock that all times of Kiln come from: whole ms since the epoch. */
export async function redisTime(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * SECOND + Math.floor(Number(micros) / 1_000);
}

/** Closes without waiting for a server that may be gone. */
export function disconnect(...connections: Redis[]): void {
  for (const connection of connections) connection.disconnect();
}

function connect(url: string, log: Logger, options: RedisOptions & { replyMapping?: 'legacy' }): Redis {
  const redis = new Redis(url, options);
  let reported = '';
  redis.on('error', (error: Error) => {
    // ioredis repeats the error at every attempt; one line an outage is enough.
    const line = errorLine(error);
    if (line !== reported) log.error({ err: error }, 'Redis connection failed');
    reported = line;
  });
  redis.on('ready', () => {
    if (reported !== '') log.info('Redis connection is back');
    reported = '';
  });
  return redis;
}

function errorLine(error: Error): string {
  return 'code' in error ? String(error.code) : error.message;
}

function ignoreConnectionError(): void {
  // An 'error' event without a listener would end the process.
}

function parseInfo(text: string): Map<string, string> {
  const entries = text
    .split(/\r?\n/)
    .map((line) => line.split(':'))
    .filter((parts) => parts.length >= 2);
  return new Map(entries.map(([name, ...value]) => [name ?? '', value.join(':')]));
}
