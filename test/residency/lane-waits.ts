/** How long lanes were passed over while they had work, from when their jobs came and when they were taken. */

export interface TakenJob {
  readonly lane: string;
  /** Milliseconds of one clock. */
  readonly createdAt: number;
  readonly startedAt: number;
}

export interface LaneWait {
  readonly lane: string;
  readonly jobs: number;
  /** Of a job, from its coming to its start: in a burst, the last one's is about the length of the session. */
  readonly longestQueueMs: number;
  /** During which the lane had a job to give and none was taken: what a starving lane has too much of. */
  readonly longestNeglectMs: number;
}

/** By lane, the most neglected one first. */
export function laneWaits(jobs: readonly TakenJob[]): LaneWait[] {
  const lanes = [...new Set(jobs.map(({ lane }) => lane))];
  return lanes
    .map((lane) => ({ lane, its: jobs.filter((job) => job.lane === lane) }))
    .map(({ lane, its }) => ({
      lane,
      jobs: its.length,
      longestQueueMs: Math.max(...its.map(({ createdAt, startedAt }) => startedAt - createdAt)),
      longestNeglectMs: longestNeglect(its),
    }))
    .toSorted((a, b) => b.longestNeglectMs - a.longestNeglectMs);
}

/** Each start ends a time of neglect, which began with the start before, or when the first of those left had come. */
function longestNeglect(jobs: readonly TakenJob[]): number {
  const inOrder = jobs.toSorted((a, b) => a.startedAt - b.startedAt);
  let longest = 0;
  let takenAt = -Infinity;
  for (const [n, { startedAt }] of inOrder.entries()) {
    const oldest = Math.min(...inOrder.slice(n).map(({ createdAt }) => createdAt));
    longest = Math.max(longest, startedAt - Math.max(takenAt, oldest));
    takenAt = startedAt;
  }
  return longest;
}
