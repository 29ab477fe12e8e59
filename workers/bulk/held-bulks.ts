/**
 * The bulks that this feeder looks after: one lease a bulk, so that several feeders share them. A lease saves double
 * work and proves nothing; feeding twice, or writing outcomes twice, does no harm.
 */
import type { Bulk, BulkRef } from '../../src/domain/bulk.ts';
import type { BulkFeed } from '../../src/queue/bulk-feed.ts';
import type { BulkRecords } from '../../src/queue/bulk-records.ts';
import type { Lease } from '../../src/queue/lease.ts';

/** Held at once: each costs memory. More are looked after when one of these is over, or by another feeder. */
const MOST_HELD = 64;

export interface HeldBulksParts {
  readonly feed: Pick<BulkFeed, 'open'>;
  readonly bulks: Pick<BulkRecords, 'read'>;
  readonly leaseOf: (ref: BulkRef) => Pick<Lease, 'take' | 'drop'>;
}

export class HeldBulks {
  readonly #parts: HeldBulksParts;
  #held: readonly Bulk[] = [];

  constructor(parts: HeldBulksParts) {
    this.#parts = parts;
  }

  /** As they were at the last look. */
  get all(): readonly Bulk[] {
    return this.#held;
  }

  /** Takes and keeps leases, and reads the bulks. To be called well within the life of a lease. */
  async look(): Promise<void> {
    const { feed, bulks, leaseOf } = this.#parts;
    const held: Bulk[] = [];
    for (const ref of inTurns(await feed.open())) {
      if (held.length === MOST_HELD) break;
      if (!(await leaseOf(ref).take())) continue;
      const bulk = await bulks.read(ref);
      if (bulk !== undefined) held.push(bulk);
    }
    this.#held = held;
  }

  /** Gives all leases up, for other feeders to take at once. */
  async drop(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    await Promise.all(held.map((bulk) => this.#parts.leaseOf(bulk).drop()));
  }
}

/** The oldest bulk of each tenant, then the second of each, and so on: ids sort by the time they were made. */
function inTurns(refs: readonly BulkRef[]): BulkRef[] {
  const seen = new Map<string, number>();
  return refs
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((ref) => {
      const round = seen.get(ref.tenant) ?? 0;
      seen.set(ref.tenant, round + 1);
      return { ref, round };
    })
    .toSorted((a, b) => a.round - b.round)
    .map(({ ref }) => ref);
}
