/**
 * queued --claim--> running --commit--> succeeded
 *    ^                 |------fail----> failed
 *    '----hand back----|
 * queued or running ---cancel---------> cancelled
 *
 * A terminal state is final. Only the Lua scripts of `src/queue` write a state; each checks the old one.
 */
export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

export const TERMINAL_STATES = ['succeeded', 'failed', 'cancelled'] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

const MOVES: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ['running', 'cancelled', 'failed'],
  // running -> running: a new holder of the lock claims a job whose last holder vanished.
  running: ['running', 'queued', 'succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export function isTerminal(state: JobState): state is TerminalState {
  return MOVES[state].length === 0;
}

export function isLegalMove(from: JobState, to: JobState): boolean {
  return MOVES[from].includes(to);
}
