/**
 * Who is fed next, when several bulks want places in one lane: stride scheduling (Waldspurger and Weihl, 1995). Each
 * place that a bulk takes moves it on by 1 / weight; the bulk that is least far goes next. So over any time in which
 * they all have rows, bulks take places in the ratio of their weights, and none waits for more than one round.
 *
 * Places are counted for each lane on its own: what a bulk took elsewhere was taken from nobody here. One that comes
 * new, or back after a while without rows, starts where the others are: it has no claim on what went by.
 */
import type { Priority } from './job.ts';

/** Places of a round. */
export const BULK_WEIGHT: Readonly<Record<Priority, number>> = { interactive: 16, normal: 4, bulk: 1 };

export interface Contender {
  readonly bulk: string;
  /** Of the row that it would feed next; of one tenant. */
  readonly lane: string;
  readonly weight: number;
}

interface LaneShares {
  /** How far the bulk was that went last. */
  now: number;
  readonly byBulk: Map<string, number>;
}

export class FairShare {
  readonly #lanes = new Map<string, LaneShares>();

  /** The contender whose turn it is, which takes the place; undefined without any. Ties keep the given order. */
  next<C extends Contender>(contenders: readonly C[]): C | undefined {
    let first: C | undefined;
    let least = Infinity;
    for (const contender of contenders) {
      const position = this.#position(contender);
      if (position < least) [first, least] = [contender, position];
    }
    if (first !== undefined) this.#move(first, least);
    return first;
  }

  /** Forgets all but these lanes and bulks. */
  keepOnly(lanes: ReadonlySet<string>, bulks: ReadonlySet<string>): void {
    for (const [lane, { byBulk }] of this.#lanes) {
      if (!lanes.has(lane)) this.#lanes.delete(lane);
      for (const bulk of byBulk.keys()) if (!bulks.has(bulk)) byBulk.delete(bulk);
    }
  }

  #position({ bulk, lane }: Contender): number {
    const shares = this.#lanes.get(lane);
    return shares === undefined ? 0 : Math.max(shares.byBulk.get(bulk) ?? 0, shares.now);
  }

  #move({ bulk, lane, weight }: Contender, position: number): void {
    const shares = this.#lanes.get(lane) ?? { now: 0, byBulk: new Map<string, number>() };
    shares.now = position;
    shares.byBulk.set(bulk, position + 1 / weight);
    this.#lanes.set(lane, shares);
  }
}
