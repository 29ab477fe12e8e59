/** The second look at a file, row by row: what is good is stored in chunks, what is not is told. */
import { Buffer } from 'node:buffer';
import { BULK_LIMITS } from '../domain/bulk-limits.ts';
import type { Priority } from '../domain/job.ts';
import type { TableFormat } from './archive.ts';
import type { CheckHost, CheckReport, RowFault } from './check-host.ts';
import { csvLines } from './csv-lines.ts';
import { draftedRows, type DraftedRow } from './drafted-rows.ts';
import type { Bytes, Encoding } from './encoding.ts';
import { fileFault } from './file-fault.ts';
import { LaneCosts } from './lane-costs.ts';
import { PreviousRows } from './previous-rows.ts';
import { RowChecker, type CheckedRow, type RowRules, type TakenRow } from './row-checker.ts';
import { RowImages, type ImageFiles } from './row-images.ts';
import { RowDefaults } from './row-request.ts';
import { RowWriter } from './row-writer.ts';
import type { OutboundPolicy } from '../net/outbound-url.ts';

export interface CheckOrder extends RowRules {
  readonly format: TableFormat;
  readonly priority: Priority;
  /** Of a file that does not say it itself. */
  readonly encoding: Encoding | undefined;
  /** By column, as a cell would have them. */
  readonly defaults: ReadonlyMap<string, string>;
  /** Where images may be fetched from. */
  readonly fetches: OutboundPolicy;
  readonly maxRows: number;
  /** Nothing is stored but the faults. */
  readonly isDry: boolean;
  /** There is an earlier bulk whose pictures may be used again. */
  readonly isDiff: boolean;
}

/** Columns of `errors.csv`. */
const FAULT_COLUMNS = ['line', 'ref', 'column', 'value', 'limit', 'message'];

/**
 * `text` is the table as it was sent, in any encoding. Throws KilnError `invalid_request` when the file as such cannot be
 * taken; what has been stored by then means nothing.
 */
export async function checkFile(
  text: Bytes,
  files: ImageFiles | undefined,
  order: CheckOrder,
  host: CheckHost,
): Promise<CheckReport> {
  const checker = new RowChecker(order, new RowImages(host, order.fetches, files));
  const previous = order.isDiff ? await PreviousRows.read(host) : undefined;
  const results = new CheckResults(order, host, previous);
  const { columns, batches } = await draftedRows(
    text,
    order,
    new RowDefaults(order.defaults, order.priority),
  );
  for await (const rows of batches) {
    const checked = rows.map((row) => checker.check(row));
    await results.add(rows, await settled(checked));
  }
  return results.end(columns);
}

/** Most rows name no image, and a promise for each of a million rows would take longer than the rest. */
function settled(checked: (CheckedRow | Promise<CheckedRow>)[]): CheckedRow[] | Promise<CheckedRow[]> {
  const known = checked.filter((row): row is CheckedRow => !(row instanceof Promise));
  if (known.length === checked.length) return known;
  return Promise.all(checked.map((row) => Promise.resolve(row)));
}

class CheckResults {
  readonly #format: TableFormat;
  readonly #maxRows: number;
  readonly #host: CheckHost;
  readonly #writer: RowWriter;
  readonly #costs = new LaneCosts();
  readonly #first: RowFault[] = [];
  #counts = { rows: 0, accepted: 0, reused: 0, images: 0 };

  constructor(order: CheckOrder, host: CheckHost, previous: PreviousRows | undefined) {
    this.#format = order.format;
    this.#maxRows = order.maxRows;
    this.#host = host;
    this.#writer = new RowWriter(host, { isDry: order.isDry, previous });
  }

  async add(rows: readonly DraftedRow[], checked: readonly CheckedRow[]): Promise<void> {
    const faults: RowFault[] = [];
    const counts = this.#counts;
    for (const [n, { line, ref }] of rows.entries()) {
      const result = checked[n];
      if (result === undefined) continue;
      counts.rows++;
      if ('faults' in result) faults.push(...result.faults.map((fault) => ({ ...fault, line, ref })));
      else {
        const { isReused } = this.#writer.add({ line, ref, taken: result });
        counts.accepted++;
        if (isReused) counts.reused++;
        else counts.images += imagesOf(result);
        if (!isReused && 'params' in result.row) this.#costs.add(result.row.params);
      }
    }
    if (counts.rows > this.#maxRows) {
      throw fileFault(`has more than ${this.#maxRows} rows`, { limit: this.#maxRows });
    }
    await this.#tell(faults);
    await this.#writer.flush();
  }

  async end(columns: () => readonly string[]): Promise<CheckReport> {
    if (this.#counts.rows === 0) throw fileFault('has no rows');
    await this.#writer.end();
    return {
      format: this.#format,
      ...this.#counts,
      faults: this.#first,
      costs: this.#costs.list,
      columns: columns(),
    };
  }

  async #tell(faults: readonly RowFault[]): Promise<void> {
    if (faults.length === 0) return;
    const isBegin = this.#first.length === 0;
    this.#first.push(...faults.slice(0, BULK_LIMITS.firstFaults - this.#first.length));
    const lines = csvLines([...(isBegin ? [FAULT_COLUMNS] : []), ...faults.map(faultRecord)]);
    await this.#host.writeFaults(Buffer.from(lines));
  }
}

function imagesOf({ row }: TakenRow): number {
  if ('params' in row) return row.params.seeds.length;
  return row.request.seeds?.length ?? row.request.images ?? 1;
}

function faultRecord({ line, ref, field, value, limit, message }: RowFault): unknown[] {
  return [line, ref, field, shown(value), shown(limit), message];
}

/** As a cell would have it. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(shown).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
