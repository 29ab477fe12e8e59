import { describe, expect, test } from 'vitest';
import {
  decideRetry,
  MAX_ATTEMPTS,
  runsSolo,
  type RetryDecision,
  type RunEnd,
} from '../../src/domain/retry.ts';

const nan = { code: 'numeric_failure', message: 'the model gave NaN' } as const;
const full = { code: 'store_failed', message: 'the disk is full' } as const;
const died = (aboard: 'no' | 'in_company' | 'alone'): RunEnd => ({
  kind: 'engine_died',
  aboard,
  doing: 'computing a step',
});

const cases: Array<{
  title: string;
  end: RunEnd;
  past?: { attempts?: number; soloCrashes?: number };
  decision: Partial<RetryDecision>;
}> = [
  {
    title: 'a failure that would repeat fails at once',
    end: { kind: 'failed', failure: nan },
    decision: { kind: 'fail', failure: nan },
  },
  {
    title: 'a transient failure is tried again after a pause',
    end: { kind: 'failed', failure: full },
    decision: { kind: 'retry_later', delayMs: 1_000 },
  },
  {
    title: 'the pause doubles',
    end: { kind: 'failed', failure: full },
    past: { attempts: 1 },
    decision: { kind: 'retry_later', delayMs: 2_000 },
  },
  {
    title: 'the last attempt fails with its reason',
    end: { kind: 'failed', failure: full },
    past: { attempts: MAX_ATTEMPTS - 1 },
    decision: {
      kind: 'fail',
      failure: { code: 'store_failed', message: 'the disk is full (attempt 3 of 3)' },
    },
  },
  {
    title: 'a drain uses nothing',
    end: { kind: 'drained' },
    decision: { kind: 'hand_back', reason: 'drain' },
  },
  {
    title: 'a crash does not count for a job that only waited',
    end: died('no'),
    past: { soloCrashes: 5 },
    decision: { kind: 'hand_back', reason: 'drain' },
  },
  {
    title: 'a crash in company never fails a job',
    end: died('in_company'),
    past: { attempts: 2, soloCrashes: 1 },
    decision: { kind: 'hand_back', reason: 'engine_crash' },
  },
  {
    title: 'the first crash alone is handed back',
    end: died('alone'),
    decision: { kind: 'hand_back', reason: 'solo_crash' },
  },
  {
    title: 'the second crash alone fails the job',
    end: died('alone'),
    past: { soloCrashes: 1 },
    decision: { kind: 'fail' },
  },
];

describe('decideRetry', () => {
  test.each(cases)('$title', ({ end, past, decision }) => {
    expect(decideRetry(end, { attempts: 0, soloCrashes: 0, ...past }, 0.5)).toMatchObject(decision);
  });

  test('the pause is fully jittered: from nothing to its whole length', () => {
    const end: RunEnd = { kind: 'failed', failure: full };
    expect(decideRetry(end, { attempts: 0, soloCrashes: 0 }, 0)).toEqual({ kind: 'retry_later', delayMs: 0 });
    expect(decideRetry(end, { attempts: 0, soloCrashes: 0 }, 1)).toEqual({
      kind: 'retry_later',
      delayMs: 2_000,
    });
  });

  test('a poison job is told what happened', () => {
    const decision = decideRetry(died('alone'), { attempts: 0, soloCrashes: 1 }, 0);
    const message = decision.kind === 'fail' ? decision.failure.message : '';
    expect(message).toContain('died 2 times with this job alone in it, the last time while computing a step');
  });

  test('after any crash a job runs solo', () => {
    expect([0, 1].map((crashes) => runsSolo({ crashes }))).toEqual([false, true]);
  });
});
