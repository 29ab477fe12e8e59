/** For commands that keep something in the Redis of the farm, because no route of the API may. */
import { loadConfig } from '../../config.ts';
import { createLogger } from '../../log.ts';
import { connectApi, disconnect } from '../../queue/connection.ts';
import { Keys } from '../../queue/keys.ts';
import { ownRedisUrl } from './redis-server.ts';

type FarmRedis = ReturnType<typeof connectApi>;

/** REDIS_URL when it is set, else that of the farm that runs on this machine, else the default. */
export async function farmRedisUrl(environment: NodeJS.ProcessEnv): Promise<string> {
  const config = loadConfig(environment);
  const isGiven = (environment['REDIS_URL'] ?? '') !== '';
  return (isGiven ? undefined : await ownRedisUrl(config.dataDir)) ?? config.redisUrl;
}

/** Connects, runs the task, disconnects. Throws when that Redis does not answer. */
export async function withFarmRedis<Result>(
  task: (redis: FarmRedis, keys: Keys) => Promise<Result>,
): Promise<Result> {
  const config = loadConfig(process.env);
  const redisUrl = await farmRedisUrl(process.env);
  const redis = connectApi({ redisUrl }, createLogger('kiln', 'silent'));
  try {
    await reached(redis);
    return await task(redis, new Keys(config.prefix));
  } finally {
    disconnect(redis);
  }
}

async function reached(redis: FarmRedis): Promise<void> {
  try {
    await new Promise((resolve, reject) => redis.once('ready', resolve).once('error', reject));
  } catch (error) {
    throw new Error('the Redis of the farm does not answer; is the farm running, and REDIS_URL set?', {
      cause: error,
    });
  }
}
