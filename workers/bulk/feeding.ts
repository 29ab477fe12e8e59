/**
 * From rows to queued jobs, a window at a time. A turn looks which lanes have room, lets the bulks take places in their
 * fair share, and makes the jobs, which are in their lanes at once. It is called whenever a place may have become free.
 */
import type { Logger } from 'pino';
import type { Bulk, ReadyRow } from '../../src/domain/bulk.ts';
import { BULK_WEIGHT, FairShare } from '../../src/domain/fair-share.ts';
import { FEED_AT_ONCE, type BulkFeed } from '../../src/queue/bulk-feed.ts';
import { laneName } from '../../src/domain/lane.ts';
import type { Lanes } from '../../src/queue/lanes.ts';
import { RowSource, type RowSourceParts } from './row-source.ts';

/** Rows of one plan, and plans of one turn: what happens meanwhile is seen after it. */
const ROWS_A_PLAN = 500;
const PLANS_A_TURN = 20;

export interface FeedingParts extends RowSourceParts {
  readonly feed: RowSourceParts['feed'] & Pick<BulkFeed, 'feed' | 'windows'>;
  readonly lanes: Pick<Lanes, 'note'>;
  readonly log: Logger;
}

/** Rows that were given places: of one bulk, in the order they are fed. */
type Plan = ReadonlyMap<RowSource, readonly ReadyRow[]>;

interface Head {
  readonly source: RowSource;
  readonly bulk: string;
  /** With the tenant in front: each has windows of its own. */
  readonly lane: string;
  readonly name: string;
  readonly weight: number;
}

export class Feeding {
  readonly #parts: FeedingParts;
  readonly #shares = new FairShare();
  #sources = new Map<string, RowSource>();

  constructor(parts: FeedingParts) {
    this.#parts = parts;
  }

  /**
   * Feeds these bulks until no lane has room, or no bulk a row for it. Gives how many rows got a job. While Redis takes
   * the rows of one plan the next is made.
   */
  async turn(bulks: readonly Bulk[], window: number): Promise<number> {
    const sources = this.#sourcesOf(bulks);
    const room = await this.#room(bulks, window);
    let underWay: Promise<number> = Promise.resolve(0);
    let fed = 0;
    for (let plans = 0; plans < PLANS_A_TURN; plans++) {
      const plan = await this.#plan(sources, room);
      fed += await underWay;
      if (plan.size === 0) return fed;
      underWay = this.#feedAll(plan, window);
      // Looked at above, after the next plan.
      underWay.catch(() => undefined);
    }
    return fed + (await underWay);
  }

  /** Keeps the views of bulks that go on as they were; the others begin anew from what Redis says. */
  #sourcesOf(bulks: readonly Bulk[]): RowSource[] {
    const kept = new Map<string, RowSource>();
    for (const bulk of bulks) {
      if ((bulk.state !== 'accepted' && bulk.state !== 'running') || bulk.counts.waiting === 0) continue;
      const name = nameOf(bulk);
      const source = this.#sources.get(name);
      const goesOn = source !== undefined && !source.isSpent && source.bulk.run === bulk.run;
      kept.set(name, goesOn ? source : new RowSource(bulk, this.#parts));
    }
    this.#sources = kept;
    return [...kept.values()];
  }

  /** Places that are free, by tenant and lane. */
  async #room(bulks: readonly Bulk[], window: number): Promise<Room> {
    const tenants = [...new Set(bulks.map(({ tenant }) => tenant))];
    const used = await Promise.all(tenants.map((tenant) => this.#parts.feed.windows(tenant)));
    return new Room(window, new Map(tenants.map((tenant, n) => [tenant, used[n] ?? new Map()])));
  }

  async #plan(sources: readonly RowSource[], room: Room): Promise<Plan> {
    const plan = new Map<RowSource, ReadyRow[]>();
    const heads: Head[] = [];
    for (const source of sources) heads.push(...(await headOf(source, room)));
    for (let rows = 0; rows < ROWS_A_PLAN && heads.length > 0; rows++) {
      const head = this.#shares.next(heads);
      if (head === undefined) break;
      const { source } = head;
      pushTo(plan, source, source.take(head.name));
      room.take(source.bulk.tenant, head.name);
      // A lane that is full now may have been that of others, too.
      const stale = heads.filter((one) => one === head || !room.has(one.source.bulk.tenant, one.name));
      for (const one of stale) heads.splice(heads.indexOf(one), 1, ...(await headOf(one.source, room)));
    }
    this.#shares.keepOnly(room.lanes, new Set(sources.map(({ bulk }) => nameOf(bulk))));
    return plan;
  }

  async #feedAll(plan: Plan, window: number): Promise<number> {
    const counts = await Promise.all([...plan].map(([source, rows]) => this.#feed(source, rows, window)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #feed(source: RowSource, rows: readonly ReadyRow[], window: number): Promise<number> {
    const { feed, lanes } = this.#parts;
    const { bulk } = source;
    const { run, priority } = bulk;
    const parts: ReadyRow[][] = [];
    for (let n = 0; n < rows.length; n += FEED_AT_ONCE) parts.push(rows.slice(n, n + FEED_AT_ONCE));
    try {
      await Promise.all(
        [...new Set(rows.map(({ params }) => laneName(params)))].map((lane) => lanes.note(lane)),
      );
      const answers = await Promise.all(
        parts.map((part) => feed.feed(bulk, part, { run, priority, window })),
      );
      const full = parts.flatMap((part, n) => part.filter((_row, k) => answers[n]?.[k]?.state === 'full'));
      // Another feeder was faster, or a run handed jobs back.
      if (full.length > 0) source.giveBack(full);
      // Paused, cancelled or started again: what this view holds is out of date.
      if (answers.includes(undefined)) this.#forget(source);
      return answers.flatMap((answer) => answer ?? []).length - full.length;
    } catch (error) {
      // Which of them were fed is not known; a new view asks Redis.
      this.#forget(source);
      throw error;
    }
  }

  #forget(source: RowSource): void {
    source.close();
    this.#sources.delete(nameOf(source.bulk));
  }
}

class Room {
  readonly #window: number;
  /** Rows that are queued, by tenant and lane. */
  readonly #used: ReadonlyMap<string, Map<string, number>>;

  constructor(window: number, used: ReadonlyMap<string, Map<string, number>>) {
    this.#window = window;
    this.#used = used;
  }

  has(tenant: string, lane: string): boolean {
    return (this.#used.get(tenant)?.get(lane) ?? 0) < this.#window;
  }

  take(tenant: string, lane: string): void {
    const used = this.#used.get(tenant);
    used?.set(lane, (used.get(lane) ?? 0) + 1);
  }

  /** Those with rows in them, named as shares are. */
  get lanes(): Set<string> {
    return new Set(
      [...this.#used].flatMap(([tenant, used]) => [...used.keys()].map((lane) => `${tenant}/${lane}`)),
    );
  }
}

/** The bulk's next row that has a place, as one contender; none when it has none within its look-ahead. */
async function headOf(source: RowSource, room: Room): Promise<Head[]> {
  const { bulk } = source;
  const hasRoom = (lane: string): boolean => room.has(bulk.tenant, lane);
  let name = source.nextLane(hasRoom);
  while (name === undefined && (await source.more())) name = source.nextLane(hasRoom);
  if (name === undefined) return [];
  const weight = BULK_WEIGHT[bulk.priority];
  return [{ source, bulk: nameOf(bulk), lane: `${bulk.tenant}/${name}`, name, weight }];
}

function nameOf({ tenant, id }: Bulk): string {
  return `${tenant}/${id}`;
}

function pushTo(plan: Map<RowSource, ReadyRow[]>, source: RowSource, row: ReadyRow): void {
  const rows = plan.get(source);
  if (rows === undefined) plan.set(source, [row]);
  else rows.push(row);
}
