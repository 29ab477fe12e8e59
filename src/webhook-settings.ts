/** The settings of webhooks: who is told when nobody else is named, where to, and what messages are signed with. */
import { Type, type Static } from 'typebox';
import { DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS, type Webhook } from './domain/webhook.ts';
import { originsOf } from './net/allowed-origins.ts';
import { OutboundError } from './net/outbound-error.ts';
import { checkedUrl, type OutboundPolicy } from './net/outbound-url.ts';
import { secretFault } from './net/webhook-signature.ts';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

export const WEBHOOK_VARIABLES = {
  KILN_WEBHOOK_URL: Type.String({
    default: '',
    description: 'told of every job and bulk that has no webhook of its own',
  }),
  KILN_WEBHOOK_EVENTS: Type.String({
    default: DEFAULT_WEBHOOK_EVENTS.join(','),
    description: `what KILN_WEBHOOK_URL is told, comma-separated: ${WEBHOOK_EVENTS.join(', ')}`,
  }),
  KILN_WEBHOOK_SECRETS: Type.String({
    default: '',
    description:
      'comma-separated whsec_... that sign every message, for a rotation the new one first; without, one is made and ' +
      'shown by `kiln webhooks secret`',
  }),
  KILN_WEBHOOK_HTTP: Type.Boolean({
    default: false,
    description: 'lets callers name webhooks on port 80 by http, not only by https',
  }),
  KILN_WEBHOOK_ALLOW: Type.String({
    default: '',
    description:
      'comma-separated origins, such as http://hooks.internal:9000, that webhooks go to whatever their address',
  }),
  KILN_WEBHOOK_TIMEOUT_SECONDS: Type.Number({
    default: 15,
    exclusiveMinimum: 0,
    maximum: 60,
    description: 'for one attempt, from the name to the status',
  }),
  KILN_WEBHOOK_LOG_HOURS: Type.Number({
    default: 72,
    exclusiveMinimum: 0,
    description: 'ended deliveries are listed for so long, at most 10,000 of a tenant',
  }),
};
const Variables = Type.Object(WEBHOOK_VARIABLES);

export interface WebhookSettings {
  /** Null: only who asks is told. */
  readonly fallback: Webhook | null;
  /** Empty: those that the farm makes itself. */
  readonly secrets: readonly string[];
  readonly outbound: OutboundPolicy;
  readonly timeoutMs: number;
  readonly logTtlMs: number;
}

/** Throws an Error that names the setting; of a secret it says nothing. */
export function webhookSettings(env: Static<typeof Variables>): WebhookSettings {
  const outbound = {
    allowHttp: env.KILN_WEBHOOK_HTTP,
    allowedOrigins: originsOf('KILN_WEBHOOK_ALLOW', env.KILN_WEBHOOK_ALLOW),
  };
  return {
    fallback: fallbackOf(env, outbound),
    secrets: secretsOf(env.KILN_WEBHOOK_SECRETS),
    outbound,
    timeoutMs: env.KILN_WEBHOOK_TIMEOUT_SECONDS * SECOND,
    logTtlMs: env.KILN_WEBHOOK_LOG_HOURS * HOUR,
  };
}

function fallbackOf(env: Static<typeof Variables>, policy: OutboundPolicy): Webhook | null {
  const events = listOf(env.KILN_WEBHOOK_EVENTS).map((name) => {
    const event = WEBHOOK_EVENTS.find((known) => known === name);
    if (event !== undefined) return event;
    throw new Error(`KILN_WEBHOOK_EVENTS: ${name} is none of ${WEBHOOK_EVENTS.join(', ')}`);
  });
  if (env.KILN_WEBHOOK_URL === '') return null;
  try {
    checkedUrl(env.KILN_WEBHOOK_URL, policy);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw new Error(`KILN_WEBHOOK_URL ${error.message}; KILN_WEBHOOK_ALLOW may allow its origin`, {
      cause: error,
    });
  }
  return { url: env.KILN_WEBHOOK_URL, events };
}

function secretsOf(list: string): string[] {
  const secrets = listOf(list);
  for (const [n, secret] of secrets.entries()) {
    const fault = secretFault(secret);
    if (fault !== undefined) throw new Error(`KILN_WEBHOOK_SECRETS: number ${n + 1} ${fault}`);
  }
  return secrets;
}

function listOf(list: string): string[] {
  return list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
