import { chunkOf, type BulkRow, type ReadyRow, type RowToFetch } from '../../src/domain/bulk.ts';
import { laneName } from '../../src/domain/lane.ts';

interface LaneRows {
  readonly rows: readonly ReadyRow[];
  next: number;
}

/** Rows of one chunk that are to be fed, by lane: a lane that has enough does not hold up the others. */
export class OpenChunk {
  readonly chunk: number;
  /** Of the object it was read from. */
  readonly bytes: number;
  readonly #lanes = new Map<string, LaneRows>();
  readonly #toFetch: RowToFetch[] = [];

  constructor(chunk: number, bytes: number, rows: readonly BulkRow[]) {
    this.chunk = chunk;
    this.bytes = bytes;
    const lanes = new Map<string, ReadyRow[]>();
    for (const row of rows) {
      if (chunkOf(row.row) !== chunk) throw new Error(`row ${row.row} is not in chunk ${chunk}`);
      if ('params' in row) pushTo(lanes, laneName(row.params), row);
      else this.#toFetch.push(row);
    }
    for (const [lane, ready] of lanes) this.#lanes.set(lane, { rows: ready, next: 0 });
    this.#toFetch.reverse();
  }

  get isEmpty(): boolean {
    return this.#lanes.size === 0 && this.#toFetch.length === 0;
  }

  /** The lane of the first row whose lane has room. */
  firstLane(hasRoom: (lane: string) => boolean): string | undefined {
    let found: string | undefined;
    let first = Infinity;
    for (const [lane, { rows, next }] of this.#lanes) {
      const row = rows[next]?.row ?? Infinity;
      if (row < first && hasRoom(lane)) [found, first] = [lane, row];
    }
    return found;
  }

  /** The first row of the lane. */
  take(lane: string): ReadyRow | undefined {
    const waiting = this.#lanes.get(lane);
    const row = waiting?.rows[waiting.next];
    if (waiting === undefined || row === undefined) return undefined;
    waiting.next += 1;
    if (waiting.next === waiting.rows.length) this.#lanes.delete(lane);
    return row;
  }

  /** The first row that names an image at an address. */
  takeToFetch(): RowToFetch | undefined {
    return this.#toFetch.pop();
  }
}

function pushTo(lanes: Map<string, ReadyRow[]>, lane: string, row: ReadyRow): void {
  const rows = lanes.get(lane);
  if (rows === undefined) lanes.set(lane, [row]);
  else rows.push(row);
}
