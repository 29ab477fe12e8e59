/** The settings of who may call, how often, and of what a process tells about itself. */
import { Type, type Static } from 'typebox';

export const OPERATIONS_VARIABLES = {
  KILN_API_KEYS: Type.String({
    default: '',
    description: 'comma-separated bearer keys of 24 characters or more',
  }),
  KILN_REQUIRE_KEY: Type.Boolean({
    default: false,
    description: 'asks for a key though KILN_API_KEYS is empty: only those of `kiln keys create` are taken',
  }),
  KILN_RATE_LIMIT: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'requests a minute of one key, or of one address without a key; 0 is no limit; default 1200 with keys, else 0',
    }),
  ),
  KILN_EVENT_STREAMS: Type.Integer({
    default: 1_000,
    minimum: 0,
    description: 'connections to one API process that may follow jobs and bulks at the same time',
  }),
  KILN_METRICS_PORT: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 65_535,
    description: 'every process serves /metrics and /healthz there, without a key; 0 is off',
  }),
  KILN_METRICS_HOST: Type.String({
    default: '127.0.0.1',
    description: 'where that port listens; a network of your own, never the public one',
  }),
};
const Variables = Type.Object(OPERATIONS_VARIABLES);

export interface OperationsSettings {
  readonly apiKeys: readonly string[];
  /** A key is asked for even when `apiKeys` is empty. */
  readonly requireKey: boolean;
  /** Requests a minute; 0: no limit. */
  readonly rateLimit: number;
  /** Open at the same time. */
  readonly eventStreams: number;
  readonly metrics: { readonly port: number; readonly host: string };
}

const API_KEY_MIN_CHARS = 24;
const RATE_LIMIT_WITH_KEYS = 1_200;

/** Throws an Error that names the setting; of a key it says nothing. */
export function operationsSettings(env: Static<typeof Variables>): OperationsSettings {
  const apiKeys = env.KILN_API_KEYS.split(',').filter((key) => key !== '');
  const weak = apiKeys.filter((key) => key.length < API_KEY_MIN_CHARS).length;
  if (weak > 0) {
    throw new Error(
      `KILN_API_KEYS: ${weak} of ${apiKeys.length} keys are shorter than ${API_KEY_MIN_CHARS} characters`,
    );
  }
  const settings = { apiKeys, requireKey: env.KILN_REQUIRE_KEY };
  const metrics = { port: env.KILN_METRICS_PORT, host: env.KILN_METRICS_HOST };
  const fallback = asksForKey(settings) ? RATE_LIMIT_WITH_KEYS : 0;
  const rateLimit = env.KILN_RATE_LIMIT ?? fallback;
  return { ...settings, rateLimit, eventStreams: env.KILN_EVENT_STREAMS, metrics };
}

/** Whether callers must say who they are. */
export function asksForKey({
  apiKeys,
  requireKey,
}: Pick<OperationsSettings, 'apiKeys' | 'requireKey'>): boolean {
  return requireKey || apiKeys.length > 0;
}
