/** Rows whose images lie at addresses: fetched when their turn is near, a few at a time. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Bulk, ReadyRow, RowToFetch } from '../../src/domain/bulk.ts';
import { KilnError } from '../../src/domain/errors.ts';
import type { RenderFailure } from '../../src/domain/failure.ts';
import { inputsOf, toJobParams } from '../../src/domain/job-params.ts';
import type { ResolvedInput, ResolveInput } from '../../src/inputs/resolve-input.ts';
import { OutboundError } from '../../src/net/outbound-error.ts';
import type { BulkFeed } from '../../src/queue/bulk-feed.ts';

/** Fetched at once, over all bulks. */
const FETCHES = 16;
/** A host may be away for a moment; one that is away for longer costs its rows. */
const PAUSES_MS = [1_000, 5_000];
/** Kiln's own trouble is not the row's fault: it waits that out. */
const OUTAGE_PAUSE_MS = 2_000;
/** Rows of one bulk often name the same image. */
const KEPT_ADDRESSES = 256;

export interface RowFetcherParts {
  readonly resolveInput: ResolveInput;
  readonly feed: Pick<BulkFeed, 'fail'>;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export class RowFetcher {
  readonly #parts: RowFetcherParts;
  readonly #known = new Map<string, Promise<ResolvedInput>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(parts: RowFetcherParts) {
    this.#parts = parts;
  }

  /** The row with its images in the store; undefined when it has failed, or the process stops. Never rejects. */
  async ready(bulk: Bulk, row: RowToFetch): Promise<ReadyRow | undefined> {
    await this.#turn();
    try {
      return await this.#fetched(bulk, row);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #fetched(bulk: Bulk, row: RowToFetch): Promise<ReadyRow | undefined> {
    const { feed, signal, log } = this.#parts;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return await this.#withImages(bulk, row);
      } catch (error) {
        const pauseMs = pauseAfter(error, attempt);
        if (pauseMs === undefined) {
          log.info({ bulk: bulk.id, row: row.row, err: error }, 'a row cannot become a job');
          await feed.fail(bulk, row.row, failureOf(error)).catch((lost: unknown) => log.warn({ err: lost }));
          return undefined;
        }
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #withImages(bulk: Bulk, { request, model, ...place }: RowToFetch): Promise<ReadyRow> {
    const inputs = await Promise.all(
      inputsOf(request).map(
        async ([field, value]) => [field, await this.#resolved(bulk, field, value)] as const,
      ),
    );
    const params = toJobParams(request, {
      models: { model: { ...model, kinds: [request.kind], refusal: null }, upscaler: null },
      inputs: new Map(inputs),
      // Seeds were drawn when the row was accepted.
      randomSeed: () => 0,
    });
    return { ...place, params: { ...params, priority: bulk.priority } };
  }

  #resolved({ tenant, id }: Bulk, field: string, value: string): Promise<ResolvedInput> {
    const name = `${id} ${value}`;
    const known = this.#known.get(name) ?? this.#parts.resolveInput(value, field, tenant);
    // Used last, dropped last.
    this.#known.delete(name);
    this.#known.set(name, known);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > KEPT_ADDRESSES) this.#known.delete(oldest);
    known.catch(() => this.#known.delete(name));
    return known;
  }

  async #turn(): Promise<void> {
    while (this.#running >= FETCHES) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
  }
}

/** How long to wait before another try; undefined when that is of no use. */
function pauseAfter(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof KilnError) || error.code === 'unavailable') return OUTAGE_PAUSE_MS;
  return error.cause instanceof OutboundError ? PAUSES_MS[attempt] : undefined;
}

function failureOf(error: unknown): RenderFailure {
  return { code: 'input_refused', message: error instanceof Error ? error.message : String(error) };
}
