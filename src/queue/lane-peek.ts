/** What waits where: all that the choice of a lane rests on. */
import type { Redis } from 'ioredis';
import { PRIORITY_RANK } from '../domain/job.ts';
import type { Keys } from './keys.ts';
import { toList } from './replies.ts';
import { Script } from './script.ts';
import { PEEK_LANES } from './scripts/peek-lanes.ts';

export interface LaneHead {
  /** Since when its next job waits. */
  readonly since: number | undefined;
  /** When the first of its paused jobs may run. */
  readonly dueAt: number | undefined;
  /** BullMQ's priority of its next job. */
  readonly rank: number | undefined;
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
  const heads = lanes.map((lane, n) => [lane, headOf(times.slice(3 * n, 3 * n + 3))] as const);
  return { now: now ?? 0, heads: new Map(heads) };
}

function headOf([since, dueAt, rank]: readonly (number | undefined)[]): LaneHead {
  return { since, dueAt, rank };
}

/** A lane that has a job to give right now. */
export interface WaitingLane {
  readonly lane: string;
  /** How long its next job waits, in ms. */
  readonly waitedMs: number;
  /** Its next job goes before others wherever it can. */
  readonly isInteractive: boolean;
}

/** The lanes with something to take, the one that waits longest first. */
export function waitingLanes({ now, heads }: LanePeek): WaitingLane[] {
  const waiting: WaitingLane[] = [];
  for (const [lane, { since, dueAt, rank }] of heads) {
    const from = since ?? (dueAt !== undefined && dueAt <= now ? dueAt : undefined);
    if (from !== undefined)
      waiting.push({
        lane,
        waitedMs: Math.max(0, now - from),
        isInteractive: rank === PRIORITY_RANK.interactive,
      });
  }
  return waiting.toSorted((a, b) => b.waitedMs - a.waitedMs);
}

/** When the next paused job of any lane may run, in ms from now; Infinity when none pauses. */
export function nextDueIn({ now, heads }: LanePeek): number {
  const due = [...heads.values()].map(({ dueAt }) => dueAt ?? Infinity);
  return Math.min(...due, Infinity) - now;
}
