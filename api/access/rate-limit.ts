/** How often one caller may ask, over all API processes: by key, or by address without one. */
import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { KilnError } from '../../src/domain/errors.ts';
import type { RateCounter } from '../../src/queue/rate-counter.ts';
import type { App } from '../parts.ts';
import { LimitStore } from './limit-store.ts';

const WINDOW_MS = 60_000;
/** Who has an IPv6 address has a network of them. */
const IPV6_SUBNET = 64;

export type Limiter = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export interface RateLimitOptions {
  /** Requests a minute; 0: no limit. */
  readonly perMinute: number;
  readonly rates: Pick<RateCounter, 'count'>;
  readonly log: Logger;
}

/** The limiter counts the request and throws `rate_limited` when it is one too many; it never fails otherwise. */
export async function limitRates(app: App, { perMinute, rates, log }: RateLimitOptions): Promise<Limiter> {
  if (perMinute === 0) return () => Promise.resolve();
  const store = new LimitStore({
    counter: rates,
    now: () => performance.now(),
    onFailure: (error) => log.warn({ err: error }, 'rates are counted in this process alone'),
  });
  await app.register(rateLimit, {
    global: false,
    max: perMinute,
    timeWindow: WINDOW_MS,
    store: pluginStore(store),
    keyGenerator: ({ caller, ip }) =>
      caller === null ? `address:${rateLimit.normalizeIP(ip, IPV6_SUBNET)}` : `key:${caller}`,
    errorResponseBuilder: (_request, { max, ttl }) => {
      const seconds = Math.ceil(ttl / 1_000);
      return new KilnError(
        'rate_limited',
        `More than ${max} requests in a minute; try again in ${seconds} s`,
      );
    },
  });
  const limit = app.rateLimit();
  return async (request, reply) => {
    await limit.call(app, request, reply);
  };
}

/** In the plugin's own shape, which is made of classes and callbacks. */
function pluginStore(store: LimitStore): rateLimit.FastifyRateLimitStoreCtor {
  return class PluginStore implements rateLimit.FastifyRateLimitStore {
    incr(
      caller: string,
      callback: (error: Error | null, count?: { current: number; ttl: number }) => void,
      windowMs: number,
    ): void {
      const answer = async (): Promise<void> => callback(null, await store.count(caller, windowMs));
      void answer();
    }

    child(): rateLimit.FastifyRateLimitStore {
      return this;
    }
  };
}
