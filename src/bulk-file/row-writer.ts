/** Accepted rows -> chunks in the store, in the order of the file. */
import { Buffer } from 'node:buffer';
import { CHUNK_ROWS } from '../domain/bulk.ts';
import type { CheckHost } from './check-host.ts';
import type { PreviousRows } from './previous-rows.ts';
import type { TakenRow } from './row-checker.ts';
import { rowDigest } from './row-digest.ts';

/** Chunks on their way to the store. More would only be more memory. */
const UNDER_WAY = 3;

export interface AcceptedRow {
  readonly line: number;
  readonly ref: string | null;
  readonly taken: TakenRow;
}

interface Line {
  readonly text: string;
  /** The row of the earlier bulk whose pictures are used again. */
  readonly reuse: number | undefined;
}

export interface WriterOptions {
  /** Rows are counted, and nothing is written. */
  readonly isDry: boolean;
  readonly previous: PreviousRows | undefined;
}

export class RowWriter {
  readonly #host: CheckHost;
  readonly #options: WriterOptions;
  readonly #underWay = new Set<Promise<void>>();
  #lines: Line[] = [];
  #row = 0;
  #chunk = 0;

  constructor(host: CheckHost, options: WriterOptions) {
    this.#host = host;
    this.#options = options;
  }

  add({ line, ref, taken }: AcceptedRow): { readonly isReused: boolean } {
    const { isDry, previous } = this.#options;
    const reuse = previous?.take(rowDigest(taken));
    const row = this.#row++;
    if (!isDry) this.#lines.push({ text: lineOf({ row, line, ref }, taken), reuse });
    return { isReused: reuse !== undefined };
  }

  /** Writes chunks that are whole. Resolves when there is room for more; rejects when the store does. */
  async flush(): Promise<void> {
    while (this.#lines.length >= CHUNK_ROWS) await this.#begin(this.#lines.splice(0, CHUNK_ROWS));
  }

  /** Writes what is left; resolves when everything is in the store. */
  async end(): Promise<void> {
    await this.flush();
    if (this.#lines.length > 0) await this.#begin(this.#lines.splice(0));
    await Promise.all(this.#underWay);
  }

  async #begin(lines: readonly Line[]): Promise<void> {
    while (this.#underWay.size >= UNDER_WAY) await Promise.race(this.#underWay);
    const writing = this.#write(this.#chunk++, lines);
    this.#underWay.add(writing);
    // A failure is found by whoever waits next; until then it must not count as one that nobody handles.
    writing.then(
      () => this.#underWay.delete(writing),
      () => undefined,
    );
  }

  async #write(chunk: number, lines: readonly Line[]): Promise<void> {
    const texts = await this.#withOutcomes(lines);
    await this.#host.writeRows(chunk, Buffer.from(`${texts.join('\n')}\n`));
  }

  async #withOutcomes(lines: readonly Line[]): Promise<string[]> {
    const reused = lines.flatMap(({ reuse }) => (reuse === undefined ? [] : [reuse]));
    if (reused.length === 0) return lines.map(({ text }) => text);
    const outcomes = await this.#host.previousOutcomes(reused);
    let next = 0;
    return lines.map(({ text, reuse }) =>
      reuse === undefined ? text : `${text.slice(0, -1)},"reused":${outcomes[next++] ?? 'null'}}`,
    );
  }
}

/** As `bulkRowLine` writes it, without a copy of the row in between; and whose the seeds are, for `diff_of`. */
function lineOf(
  place: { row: number; line: number; ref: string | null },
  { row, hasOwnSeeds }: TakenRow,
): string {
  const rest = JSON.stringify(row).slice(1);
  const ref = place.ref === null ? 'null' : JSON.stringify(place.ref);
  return `{"row":${place.row},"line":${place.line},"ref":${ref},"hasOwnSeeds":${hasOwnSeeds},${rest}`;
}
