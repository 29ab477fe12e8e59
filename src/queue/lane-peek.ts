/** Which lane to take from: what waits where, and in which order the lanes get their turn. */
import type { Redis } from 'ioredis';
import type { Keys } from './keys.ts';
import { toList } from './replies.ts';
import { Script } from './script.ts';
import { PEEK_LANES } from './scripts/peek-lanes.ts';

export interface LaneHead {
  /** Since when its next job waits. */
  readonly since: number | undefined;
  /** When the first of its paused jobs may run. */
  readonly dueAt: number | undefined;
}

export interface LanePeek {
  /** Redis time, ms; so are all times here. */
  readonly now: number;
  readonly heads: ReadonlyMap<string, LaneHead>;
}

const peek = new Script(PEEK_LANES);

/** One round trip, O(lanes). */
export async function peekLanes(redis: Redis, keys: Keys, lanes: readonly string[]): Promise<LanePeek> {
  const answer = await peek.run(
    redis,
    lanes.flatMap((lane) => ['wait', 'prioritized', 'delayed'].map((part) => keys.lane(lane, part))),
    lanes.map((lane) => keys.lane(lane, '')),
  );
  const [now, ...times] = toList(answer).map((time) => (time === '' ? undefined : Number(time)));
  const heads = lanes.map((lane, n) => [lane, { since: times[2 * n], dueAt: times[2 * n + 1] }] as const);
  return { now: now ?? 0, heads: new Map(heads) };
}

/**
 * The lanes with something to take, in the order to try: the caller's, except that a lane whose head has waited longer
 * than `starveMs`, and from which nothing was pulled here for as long, goes first, the longest waiting of them before
 * the others. So a lane that the caller always puts last still gets one job every `starveMs`.
 */
export function orderLanes(
  preferred: readonly string[],
  { now, heads }: LanePeek,
  options: { readonly starveMs: number; readonly pulledAt: ReadonlyMap<string, number> },
): string[] {
  const waitingSince = (lane: string): number => {
    const { since, dueAt } = heads.get(lane) ?? {};
    return since ?? (dueAt !== undefined && dueAt <= now ? dueAt : Infinity);
  };
  const isStarving = (lane: string): boolean =>
    now - Math.max(waitingSince(lane), options.pulledAt.get(lane) ?? 0) > options.starveMs;
  const ready = preferred.filter((lane) => waitingSince(lane) < Infinity);
  const starving = ready.filter(isStarving).toSorted((a, b) => waitingSince(a) - waitingSince(b));
  return [...starving, ...ready.filter((lane) => !isStarving(lane))];
}

/** When the next paused job of any lane may run, in ms from now; Infinity when none pauses. */
export function nextDueIn({ now, heads }: LanePeek): number {
  const due = [...heads.values()].map(({ dueAt }) => dueAt ?? Infinity);
  return Math.min(...due, Infinity) - now;
}
