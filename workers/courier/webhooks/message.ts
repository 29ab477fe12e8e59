/** The body of a message: `{ type, timestamp, sequence, data, shortened, links }`, below 20 kB whatever the job holds. */
import type { BulkView } from '../../../src/contract/bulk.ts';
import type { JobView } from '../../../src/contract/job.ts';
import type { Bulk } from '../../../src/domain/bulk.ts';
import type { WebhookMessage } from '../../../src/domain/webhook-delivery.ts';
import { messageType } from '../../../src/domain/webhook.ts';
import { isoTime } from '../../../src/view/job-view.ts';

const MAX_BYTES = 20_000;
/** Unicode code points, as everywhere. */
const PROMPT_CHARS = 500;
const ERROR_CHARS = 1_000;

interface Content {
  readonly data: unknown;
  /** Grows over the life of a job; null for what is no job. */
  readonly sequence: number | null;
  /** Paths in `data` that hold less than the job does. */
  readonly shortened: readonly string[];
  readonly links: Readonly<Record<string, string>>;
}

export function bodyOf(message: WebhookMessage, { data, sequence, shortened, links }: Content): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      type: messageType(message.event),
      timestamp: isoTime(message.at),
      ...(sequence === null ? {} : { sequence }),
      data,
      shortened,
      links,
    }),
  );
}

/** What can be left out of a job that is too long for a message, the dearest last. */
const CUTS: readonly { readonly path: string; readonly cut: (job: JobView) => JobView }[] = [
  { path: 'request.metadata', cut: (job) => ({ ...job, request: { ...job.request, metadata: {} } }) },
  { path: 'request.webhook', cut: (job) => ({ ...job, request: { ...job.request, webhook: null } }) },
  { path: 'images', cut: (job) => ({ ...job, images: [] }) },
];

/** The body of a message about a job. Prompts are always cut, since they are for the renderer; the rest only if need be. */
export function jobBody(
  message: WebhookMessage,
  job: JobView,
  about: Pick<Content, 'sequence' | 'links'>,
): Uint8Array {
  const shortened: string[] = [];
  let data = withShortTexts(job, shortened);
  let body = bodyOf(message, { ...about, data, shortened });
  for (const { path, cut } of CUTS) {
    if (body.length < MAX_BYTES) break;
    data = cut(data);
    shortened.push(path);
    body = bodyOf(message, { ...about, data, shortened });
  }
  return body;
}

function withShortTexts(job: JobView, shortened: string[]): JobView {
  const short = (text: string, limit: number, path: string): string => {
    const characters = Array.from(text);
    if (characters.length <= limit) return text;
    shortened.push(path);
    return characters.slice(0, limit).join('');
  };
  const { request, error } = job;
  return {
    ...job,
    request: {
      ...request,
      prompt: short(request.prompt, PROMPT_CHARS, 'request.prompt'),
      negative_prompt: short(request.negative_prompt, PROMPT_CHARS, 'request.negative_prompt'),
    },
    error: error === null ? null : { ...error, message: short(error.message, ERROR_CHARS, 'error.message') },
  };
}

/** The totals of a bulk, under the names they have in `GET /v1/bulks/:id`. */
export function bulkData(bulk: Bulk) {
  const { id, name, state, rows, images, rejected, counts, run, createdAt, startedAt, finishedAt } = bulk;
  const timings = {
    created_at: isoTime(createdAt),
    started_at: startedAt === null ? null : isoTime(startedAt),
    finished_at: finishedAt === null ? null : isoTime(finishedAt),
  };
  return { id, name, state, rows, images, rejected, counts, run, timings } satisfies Partial<BulkView>;
}
