import { describe, expect, it } from 'vitest';
import { calmEvidence, moves, record } from './calm-evidence.ts';
import { check, type CheckName } from './checker.ts';
import type { Entry, Evidence, FinalJob } from './evidence.ts';

function failures(evidence: Evidence): CheckName[] {
  return check(evidence)
    .filter((verdict) => verdict.outcome === 'FAIL')
    .map((verdict) => verdict.name);
}

function withEntries(...entries: Entry[]): Evidence {
  const calm = calmEvidence();
  return { ...calm, history: [...calm.history, ...entries] };
}

function withoutEntries(drop: (entry: Entry) => boolean): Evidence {
  const calm = calmEvidence();
  return { ...calm, history: calm.history.filter((entry) => !drop(entry)) };
}

function withJob(id: string, change: (job: FinalJob) => FinalJob): Evidence {
  const calm = calmEvidence();
  const jobs = calm.end.jobs.map((job) => (job.record.id === id ? change(job) : job));
  return { ...calm, end: { ...calm.end, jobs } };
}

describe('the checker', () => {
  it('passes a run without faults, check by check', () => {
    expect(check(calmEvidence()).map(({ name, outcome }) => `${outcome} ${name}`)).toEqual(
      check(calmEvidence()).map(({ name }) => `ok ${name}`),
    );
  });

  it('skips a check that the run gave no occasion for', () => {
    const evidence = withoutEntries((entry) => entry.kind === 'drain');
    expect(check(evidence).find((verdict) => verdict.name === 'drains-exit-zero')?.outcome).toBe('skipped');
  });

  it('names the faulty jobs, but not all of a thousand', () => {
    const entries = Array.from({ length: 1_000 }, (_, index): Entry => ({
      kind: 'read',
      at: 9,
      id: `job-${index}`,
      status: 404,
    }));
    const verdict = check(withEntries(...entries)).find(
      ({ name }) => name === 'accepted-jobs-can-be-read-at-once',
    );
    expect(verdict?.detail).toMatch(/1000 faults .*job-0 answered 404.* and 997 more/);
  });
});

describe('the checker finds', () => {
  it('a submit that was never accepted', () => {
    const evidence = withEntries({ kind: 'submit', at: 9, key: 'key-z', setting: 'quick' });
    expect(failures(evidence)).toEqual(['submits-are-accepted-or-put-off']);
  });

  it('an answer that hides an outage as an error', () => {
    const evidence = withEntries({ kind: 'answer', at: 9, key: 'key-a', status: 500, id: null });
    expect(failures(evidence)).toEqual(['submits-are-accepted-or-put-off']);
  });

  it('an accepted job that is gone', () => {
    const evidence = withEntries({ kind: 'answer', at: 9, key: 'key-z', status: 202, id: 'job-z' });
    expect(failures(evidence)).toContain('accepted-jobs-are-never-lost');
  });

  it('an accepted job that never ended', () => {
    const evidence = withJob('job-a', (job) => ({ ...job, record: { ...job.record, state: 'running' } }));
    expect(failures(evidence)).toContain('accepted-jobs-are-never-lost');
  });

  it('an API that shows another state than the record', () => {
    const evidence = withJob('job-a', (job) => ({ ...job, viewState: 'running' }));
    expect(failures(evidence)).toEqual(['accepted-jobs-are-never-lost']);
  });

  it('a job that failed', () => {
    const evidence = withJob('job-a', (job) => ({
      ...job,
      record: record('job-a', { state: 'failed', failure: { code: 'engine_crash', message: 'died' } }),
    }));
    expect(failures(evidence)).toContain('jobs-succeed-unless-cancelled');
  });

  it('a job that was cancelled though nobody asked', () => {
    const evidence = withoutEntries((entry) => entry.kind === 'cancel' || entry.kind === 'cancel_answer');
    expect(failures(evidence)).toEqual(['jobs-succeed-unless-cancelled']);
  });

  it('two ids for one idempotency key', () => {
    const evidence = withEntries({ kind: 'answer', at: 9, key: 'key-a', status: 202, id: 'job-b' });
    expect(failures(evidence)).toContain('one-job-per-idempotency-key');
  });

  it('a second job of one submit, although its id was never told', () => {
    const calm = calmEvidence();
    const twin = { ...calm.end.jobs[0]!, record: { ...calm.end.jobs[0]!.record, id: 'job-twin' } };
    const evidence = { ...calm, end: { ...calm.end, jobs: [...calm.end.jobs, twin] } };
    expect(failures(evidence)).toContain('one-job-per-idempotency-key');
  });

  it('a 404 right after the 202', () => {
    const evidence = withEntries({ kind: 'read', at: 9, id: 'job-a', status: 404 });
    expect(failures(evidence)).toEqual(['accepted-jobs-can-be-read-at-once']);
  });

  it.each([
    ['leaves a terminal state', ['queued', 'running', 'succeeded', 'running', 'succeeded']],
    ['succeeds without a claim', ['queued', 'succeeded']],
    ['starts in the middle', ['running', 'succeeded']],
    ['ends otherwise than its record says', ['queued', 'running', 'queued']],
  ])('a history that %s', (_, states) => {
    const path = moves(states.map((state) => [state, 1] as const));
    expect(failures(withJob('job-a', (job) => ({ ...job, moves: path })))).toContain('only-legal-moves');
  });

  it('a move that does not start where the last one ended', () => {
    const evidence = withJob('job-a', (job) => ({
      ...job,
      moves: job.moves.map((move) => (move.to === 'succeeded' ? { ...move, from: 'queued' } : move)),
    }));
    expect(failures(evidence)).toEqual(['only-legal-moves']);
  });

  it('two terminal moves', () => {
    const path = moves([
      ['queued', 0],
      ['running', 1],
      ['succeeded', 1],
      ['succeeded', 1],
    ]);
    const evidence = withJob('job-a', (job) => ({ ...job, moves: path }));
    expect(failures(evidence)).toContain('one-terminal-state-each');
  });

  it('a commit by an old fence', () => {
    const path = moves([
      ['queued', 0],
      ['running', 1],
      ['running', 2],
      ['succeeded', 1],
    ]);
    const evidence = withJob('job-a', (job) => ({ ...job, moves: path }));
    expect(failures(evidence)).toEqual(['only-the-newest-fence-commits']);
  });

  it('two claims with one fence', () => {
    const path = moves([
      ['queued', 0],
      ['running', 1],
      ['queued', 1],
      ['running', 1],
      ['succeeded', 1],
    ]);
    const evidence = withJob('job-a', (job) => ({ ...job, moves: path }));
    expect(failures(evidence)).toEqual(['only-the-newest-fence-commits']);
  });

  it('two terminal events, and none', () => {
    const twice = withEntries({ kind: 'event', at: 9, id: 'job-a', type: 'job.succeeded', fence: 1 });
    expect(failures(twice)).toEqual(['one-terminal-event-each']);
    const never = withoutEntries((entry) => entry.kind === 'event' && entry.id === 'job-a');
    expect(failures(never)).toEqual(['one-terminal-event-each']);
  });

  it('a success that was visible before its image', () => {
    const evidence = withEntries({ kind: 'witness', at: 9, id: 'job-a', fault: 'image 0 answered 404' });
    expect(failures(evidence)).toEqual(['images-readable-before-success']);
  });

  it('an image that is missing, torn or too few', () => {
    const missing = withJob('job-b', (job) => ({
      ...job,
      images: job.images.map((image) => ({ ...image, actualSha256: null })),
    }));
    expect(failures(missing)).toContain('images-match-their-digests');
    const few = withJob('job-b', (job) => ({ ...job, images: job.images.slice(0, 1) }));
    expect(failures(few)).toEqual(['images-match-their-digests']);
  });

  it('an image that differs from the calm one', () => {
    const evidence = withJob('job-a', (job) => ({
      ...job,
      images: [{ n: 0, claimedSha256: 'other', actualSha256: 'other' }],
    }));
    expect(failures(evidence)).toEqual(['images-equal-a-calm-run']);
  });

  it('a success that was billed twice', () => {
    const calm = calmEvidence();
    const evidence = { ...calm, end: { ...calm.end, usage: { jobs: 3, images: 4 } } };
    expect(failures(evidence)).toEqual(['successes-billed-once']);
  });

  it('an acknowledged cancel that succeeded after all', () => {
    const evidence = withEntries({
      kind: 'cancel_answer',
      at: 45,
      id: 'job-a',
      status: 200,
      state: 'cancelled',
    });
    expect(failures(evidence)).toEqual(['cancels-are-final']);
  });

  it('work that goes on after a cancel', () => {
    const steps = [1_000, 1_020].map((at): Entry => ({
      kind: 'step',
      at,
      worker: 'supervisor-1',
      ids: ['job-c'],
    }));
    expect(failures(withEntries(...steps))).toEqual(['cancels-cost-at-most-one-step']);
  });

  it('no fault in what an engine does while its supervisor is frozen', () => {
    const fault = { kind: 'supervisor_freeze', atMs: 1, supervisor: 0, until: 'time', forMs: 900 } as const;
    const evidence = withEntries(
      { kind: 'fault', at: 100, fault, phase: 'begin' },
      { kind: 'fault', at: 1_000, fault, phase: 'end' },
      ...[1_000, 1_020].map((at): Entry => ({ kind: 'step', at, worker: 'supervisor-0', ids: ['job-c'] })),
    );
    expect(failures(evidence)).toEqual([]);
  });

  it('a lane that still holds a job', () => {
    const calm = calmEvidence();
    const evidence = { ...calm, end: { ...calm.end, lanes: [{ name: 'a.64x64', left: 1 }] } };
    expect(failures(evidence)).toEqual(['lanes-end-empty']);
  });

  it('a missing job.json', () => {
    const evidence = withJob('job-c', (job) => ({ ...job, documentState: null }));
    expect(failures(evidence)).toEqual(['ended-jobs-have-a-document']);
  });

  it('an engine that outlives its supervisor', () => {
    expect(failures(withEntries({ kind: 'orphan', at: 9, pid: 7, goneMs: null }))).toEqual([
      'engines-die-with-their-supervisor',
    ]);
  });

  it('a process that died of itself', () => {
    const death: Entry = { kind: 'death', at: 9, process: 'api', how: '1' };
    expect(failures(withEntries(death))).toEqual(['processes-die-only-when-killed']);
  });

  it('a drain that ends in an error', () => {
    expect(failures(withEntries({ kind: 'drain', at: 9, process: 'supervisor-0', exitCode: 1 }))).toEqual([
      'drains-exit-zero',
    ]);
  });
});
