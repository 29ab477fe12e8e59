/** The life of a job in its own history: legal moves, growing fences, one end. */
import { isLegalMove, isTerminal } from '../../../src/domain/job-state.ts';
import { entriesOf, isState, type Evidence, type FinalJob, type Findings, type Move } from '../evidence.ts';

function overJobs(evidence: Evidence, judge: (job: FinalJob) => string[]): Findings {
  const faults = evidence.end.jobs.flatMap((job) => judge(job).map((fault) => `${job.record.id} ${fault}`));
  return { examined: evidence.end.jobs.length, of: 'jobs', faults };
}

/** Each move starts where the last one ended, is allowed, and the last one says what the record says. */
export function onlyLegalMoves(evidence: Evidence): Findings {
  return overJobs(evidence, ({ moves, record }) => {
    const last = moves.at(-1);
    if (last === undefined) return ['has no history'];
    const broken = moves.flatMap((move, index) => judgeMove(move, moves[index - 1]));
    return last.to === record.state
      ? broken
      : [...broken, `ends ${last.to}, its record says ${record.state}`];
  });
}

function judgeMove(move: Move, previous: Move | undefined): string[] {
  const name = `${move.from} -> ${move.to}`;
  if (previous === undefined) return move.to === 'queued' ? [] : [`begins with ${name}`];
  if (move.from !== previous.to) return [`went ${name} while it was ${previous.to}`];
  return isState(move.from) && isState(move.to) && isLegalMove(move.from, move.to) ? [] : [`went ${name}`];
}

export function oneTerminalStateEach(evidence: Evidence): Findings {
  return overJobs(evidence, ({ moves }) => {
    const ends = moves.filter((move) => isState(move.to) && isTerminal(move.to)).map((move) => move.to);
    return ends.length === 1 ? [] : [`has ${ends.length} terminal moves (${ends.join(', ')})`];
  });
}

/** Fences grow with every claim, and only the newest holder has committed. */
export function onlyTheNewestFenceCommits(evidence: Evidence): Findings {
  return overJobs(evidence, ({ moves, record }) => {
    const claims = moves.filter((move) => move.to === 'running').map((move) => move.fence);
    const faults = claims.flatMap((fence, index) =>
      index > 0 && fence <= (claims[index - 1] ?? 0) ? [`was claimed with fence ${fence} again`] : [],
    );
    const newest = claims.at(-1);
    for (const move of moves) {
      if (move.to === 'succeeded' && move.fence !== newest) {
        faults.push(`was committed by fence ${move.fence}, the newest claim is ${newest ?? 'none'}`);
      }
    }
    const foreign = (record.result?.images ?? []).filter(({ key }) => !key.includes(`/${newest ?? ''}/`));
    return [...faults, ...foreign.map(({ key }) => `shows ${key}, the newest claim is ${newest ?? 'none'}`)];
  });
}

/** The outbox told of each end exactly once. */
export function oneTerminalEventEach(evidence: Evidence): Findings {
  const seen = new Map<string, string[]>();
  for (const { id, type } of entriesOf(evidence, 'event')) {
    const state = type.replace('job.', '');
    if (isState(state) && isTerminal(state)) seen.set(id, [...(seen.get(id) ?? []), state]);
  }
  return overJobs(evidence, ({ record }) => {
    const events = seen.get(record.id) ?? [];
    return events.length === 1 && events[0] === record.state
      ? []
      : [`is ${record.state}; terminal events: ${events.join(', ') || 'none'}`];
  });
}
