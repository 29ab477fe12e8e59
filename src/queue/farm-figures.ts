/** What an operator wants to know of the whole farm, from Redis alone: whichever process asks gets the same answer. */
import type { Redis } from 'ioredis';
import { BULK_STATES, type BulkState } from '../domain/bulk.ts';
import { paceOf } from '../domain/bulk-pace.ts';
import { deviceSeconds, type Speeds } from '../domain/device-time.ts';
import { JOB_STATES, type JobState } from '../domain/job-state.ts';
import { BulkFeed } from './bulk-feed.ts';
import { BulkRecords } from './bulk-records.ts';
import { redisTime } from './connection.ts';
import { FarmRegistry, type WorkerStatus } from './farm-registry.ts';
import type { Keys } from './keys.ts';
import { peekLanes } from './lane-peek.ts';
import { LaneSpeeds } from './lane-speeds.ts';
import type { Lanes } from './lanes.ts';

export interface KindCount {
  readonly state: JobState;
  readonly kind: string;
  readonly count: number;
}

export interface LaneFigures {
  readonly lane: string;
  /** Jobs that wait in it, those that pause before another attempt included. */
  readonly jobs: number;
  /** How long the next of them has waited; null when all of them pause. */
  readonly oldestSeconds: number | null;
  /** Device time that its jobs need; null when no device has measured a model of it. */
  readonly backlogSeconds: number | null;
}

export interface BulkFigures {
  readonly states: ReadonlyMap<BulkState, number>;
  /** Rows of open bulks that are no jobs yet. */
  readonly waitingRows: number;
  /** Of all open bulks together. */
  readonly rowsPerMinute: number;
}

export interface FarmFigures {
  /** How often jobs have come into a state; growing for as long as Redis keeps its data. */
  readonly entered: readonly KindCount[];
  /** Jobs that are queued and running now. */
  readonly present: readonly KindCount[];
  /** Those in which something waits. */
  readonly lanes: readonly LaneFigures[];
  readonly workers: readonly WorkerStatus[];
  readonly bulks: BulkFigures;
  /** Device time that everything which waits needs, rows without a job by the mean of the jobs. */
  readonly backlogSeconds: number;
  /** Jobs that no device has measured anything about, and which are missing in that. */
  readonly unmeasuredJobs: number;
}

export interface FarmBooks {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly lanes: Pick<Lanes, 'names' | 'depth'>;
}

/** O(lanes + workers + open bulks); no job is looked at. */
export async function readFarmFigures(books: FarmBooks): Promise<FarmFigures> {
  const { redis, keys } = books;
  const [moves, speeds, workers, bulks] = await Promise.all([
    redis.hgetall(keys.moves),
    new LaneSpeeds(redis, keys).read(),
    new FarmRegistry(redis, keys).workers(),
    readBulks(redis, keys),
  ]);
  const lanes = await readLanes(books, speeds);
  return { ...jobCounts(moves), lanes, workers, bulks, ...backlogOf(lanes, bulks.waitingRows) };
}

function jobCounts(moves: Readonly<Record<string, string>>): Pick<FarmFigures, 'entered' | 'present'> {
  const entered: KindCount[] = [];
  const present: KindCount[] = [];
  for (const [field, count] of Object.entries(moves)) {
    const [way, name = '', kind = ''] = field.split(' ');
    const state = JOB_STATES.find((known) => known === name);
    if (way !== 'to' || state === undefined) continue;
    entered.push({ state, kind, count: Number(count) });
    if (state !== 'queued' && state !== 'running') continue;
    const left = Number(moves[`from ${state} ${kind}`] ?? 0);
    present.push({ state, kind, count: Math.max(0, Number(count) - left) });
  }
  return { entered, present };
}

async function readLanes({ redis, keys, lanes }: FarmBooks, speeds: Speeds): Promise<LaneFigures[]> {
  const names = await lanes.names();
  if (names.length === 0) return [];
  const [peek, waiting, ...depths] = await Promise.all([
    peekLanes(redis, keys, names),
    redis.hgetall(keys.waiting),
    ...names.map((lane) => lanes.depth(lane)),
  ]);
  const figures = names.map((lane, n): LaneFigures => {
    const since = peek.heads.get(lane)?.since;
    const jobs = depths[n] ?? 0;
    // Of the jobs in the records only those count that are in the lane: the rows of a paused bulk are not.
    const recorded = Number(waiting[`jobs ${lane}`] ?? 0);
    const steps = recorded === 0 ? 0 : (Number(waiting[`steps ${lane}`] ?? 0) / recorded) * jobs;
    return {
      lane,
      jobs,
      oldestSeconds: since === undefined ? null : Math.max(0, peek.now - since) / 1_000,
      backlogSeconds: deviceSeconds(lane, steps, speeds),
    };
  });
  return figures.filter(({ jobs }) => jobs > 0);
}

async function readBulks(redis: Redis, keys: Keys): Promise<BulkFigures> {
  const records = new BulkRecords(redis, keys);
  const [refs, now] = await Promise.all([new BulkFeed(redis, keys).open(), redisTime(redis)]);
  const read = await Promise.all(refs.map((ref) => records.read(ref)));
  const open = read.filter((bulk) => bulk !== undefined);
  const goingOn = open.filter(({ state }) => state === 'accepted' || state === 'running');
  return {
    states: new Map(BULK_STATES.map((state) => [state, open.filter((bulk) => bulk.state === state).length])),
    waitingRows: goingOn.reduce((sum, { counts }) => sum + counts.waiting, 0),
    rowsPerMinute: goingOn.reduce((sum, bulk) => sum + (paceOf(bulk, now).rowsPerMinute ?? 0), 0),
  };
}

function backlogOf(
  lanes: readonly LaneFigures[],
  waitingRows: number,
): Pick<FarmFigures, 'backlogSeconds' | 'unmeasuredJobs'> {
  const measured = lanes.filter(({ backlogSeconds }) => backlogSeconds !== null);
  const jobs = measured.reduce((sum, lane) => sum + lane.jobs, 0);
  const seconds = measured.reduce((sum, { backlogSeconds }) => sum + (backlogSeconds ?? 0), 0);
  const all = lanes.reduce((sum, lane) => sum + lane.jobs, 0);
  const ofRows = jobs === 0 ? 0 : (seconds / jobs) * waitingRows;
  return { backlogSeconds: seconds + ofRows, unmeasuredJobs: all - jobs };
}
