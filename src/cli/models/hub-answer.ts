/** What a hub's refusal means, in words that say what to do about it. */
import { TransientError } from './retry.ts';

const SECOND = 1_000;
const MAX_QUOTED_CHARS = 300;
const BUSY = new Set([408, 425, 429]);

export interface RefusedRequest {
  readonly target: URL;
  /** False for the storage that the hub sent us to. */
  readonly isHome: boolean;
  readonly response: Response;
}

interface Asked {
  readonly endpoint: string;
  readonly id: string;
  readonly token: string | null;
}

/** TransientError when another attempt may do better, else one with advice. Never holds the token. */
export function hubAnswerError(asked: Asked, { target, isHome, response }: RefusedRequest): Error {
  const { status, headers } = response;
  const what = `${target.host} answers ${status}`;
  if (BUSY.has(status) || status >= 500) return new TransientError(what, { waitMs: waitOf(headers) });
  // Links to the storage live for minutes: the hub gives a new one to the next attempt.
  if (!isHome) return new TransientError(`${what} for a file of ${asked.id}`);
  const quoted = quote(headers.get('x-error-message'));
  return new Error(`${adviceFor(asked, { status, code: headers.get('x-error-code'), target })}${quoted}`);
}

function adviceFor(asked: Asked, refused: { status: number; code: string | null; target: URL }): string {
  const { endpoint, id, token } = asked;
  const { status, code, target } = refused;
  switch (code ?? '') {
    case 'RevisionNotFound':
      return `${id} has no such revision: see its branches and tags at ${endpoint}/${id}/tree/main`;
    case 'EntryNotFound':
      return `${id} lists a file that the hub does not have: ${target.pathname}`;
    case 'GatedRepo':
      return token === null ? anonymousAtGate(asked) : accountAtGate(asked);
    default:
      break;
  }
  if (token !== null && status === 403) return accountAtGate(asked);
  if (token !== null && status === 401 && code !== 'RepoNotFound')
    return `${endpoint} does not accept the token in HF_TOKEN: make a new one at ${endpoint}/settings/tokens`;
  if ([401, 403, 404].includes(status)) return notFound(asked, `${target.pathname}: ${status}`);
  return `${target.host} answers ${status} for ${target.pathname}`;
}

function anonymousAtGate({ endpoint, id }: Asked): string {
  return (
    `${id} is gated: accept its terms at ${endpoint}/${id}, and set HF_TOKEN to a token of your account ` +
    `(${endpoint}/settings/tokens)`
  );
}

function accountAtGate({ endpoint, id }: Asked): string {
  return (
    `the account of HF_TOKEN may not read ${id}: accept its terms at ${endpoint}/${id}; a fine-grained token also ` +
    `needs the permission to read public gated repositories`
  );
}

/** The hub does not tell strangers which repositories exist. */
function notFound({ endpoint, id, token }: Asked, detail: string): string {
  return token === null
    ? `${endpoint} has no public model ${id}: check the id; for a private or gated one set HF_TOKEN (${detail})`
    : `${endpoint} has no model ${id} that the account of HF_TOKEN may read: check the id (${detail})`;
}

/** Seconds or a date, as HTTP has it; null when the server leaves the wait to us. */
function waitOf(headers: Headers): number | null {
  const after = headers.get('retry-after');
  if (after === null) return null;
  const ms = /^\d+$/.test(after) ? Number(after) * SECOND : Date.parse(after) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** A stranger's words on the way to a terminal: control characters would be obeyed there. */
function quote(message: string | null): string {
  if (message === null) return '';
  const plain = message.replaceAll(/\p{C}+/gu, ' ').trim();
  return plain === '' ? '' : `\nThe hub says: ${plain.slice(0, MAX_QUOTED_CHARS)}`;
}
