import { describe, expect, it } from 'vitest';
import { ENDPOINT_WIDTH, healthAfter, widthOf } from '../../src/domain/webhook-breaker.ts';
import { decideDelivery, parseRetryAfter, type AttemptEnd } from '../../src/domain/webhook-retry.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const UNANSWERED: AttemptEnd = { kind: 'unanswered' };
function answered(status: number, retryAfterMs: number | null = null): AttemptEnd {
  return { kind: 'answered', status, retryAfterMs };
}
function decide(end: AttemptEnd, tries = 1, event: 'completed' | 'progress' | 'test' = 'completed') {
  return decideDelivery(end, { event, tries }, 0);
}

describe('after an attempt', () => {
  it.each([200, 201, 204, 299])('%i is a delivery', (status) => {
    expect(decide(answered(status))).toEqual({ kind: 'delivered' });
  });

  it('410 disables the endpoint', () => {
    expect(decide(answered(410))).toEqual({ kind: 'disabled' });
  });

  it.each([100, 199, 300, 301, 302, 307, 400, 401, 404, 429, 500, 503])('%i is tried again', (status) => {
    expect(decide(answered(status))).toEqual({ kind: 'retry', pauseMs: 5 * SECOND });
  });

  it('pauses grow over three days, and the tenth failure is the last', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((tries) => decide(UNANSWERED, tries));
    expect(pauses).toEqual([
      ...[
        5 * SECOND,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
      ].map((pauseMs) => ({ kind: 'retry', pauseMs })),
      { kind: 'exhausted' },
    ]);
    expect(decideDelivery(UNANSWERED, { event: 'failed', tries: 1 }, 1)).toEqual({
      kind: 'retry',
      pauseMs: 5_500,
    });
  });

  it('waits as long as the receiver asks for, but not for ever', () => {
    expect(decide(answered(429, MINUTE))).toEqual({ kind: 'retry', pauseMs: MINUTE });
    expect(decide(answered(503, SECOND))).toEqual({ kind: 'retry', pauseMs: 5 * SECOND });
    expect(decide(answered(503, 1_000 * HOUR))).toEqual({ kind: 'retry', pauseMs: 24 * HOUR });
  });

  it.each(['progress', 'test'] as const)('%s has one attempt', (event) => {
    expect(decide(answered(500), 1, event)).toEqual({ kind: 'exhausted' });
  });
});

describe('Retry-After', () => {
  it('is seconds or a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('120', now)).toBe(2 * MINUTE);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30 * SECOND);
    expect(parseRetryAfter('Thu, 01 Jan 2015 00:00:30 GMT', now)).toBe(0);
    expect(parseRetryAfter('soon', now)).toBeNull();
    expect(parseRetryAfter(undefined, now)).toBeNull();
  });
});

describe('the circuit breaker', () => {
  const after = (failures: number, end: AttemptEnd, pauseMs = 0) => healthAfter({ failures, pauseMs }, end);

  it('opens at the fifth failure in a row, for longer after each probe that fails', () => {
    expect(after(3, UNANSWERED)).toEqual({ failures: 4, pauseMs: 0 });
    expect(after(4, UNANSWERED)).toEqual({ failures: 5, pauseMs: 30 * SECOND });
    expect(after(5, answered(500))).toEqual({ failures: 6, pauseMs: MINUTE });
    expect(after(30, answered(500))).toEqual({ failures: 31, pauseMs: 10 * MINUTE });
  });

  it('closes at the first success', () => {
    expect(after(30, answered(200))).toEqual({ failures: 0, pauseMs: 0 });
  });

  it('is not opened further by attempts that were under way', () => {
    expect(after(5, UNANSWERED, 20 * SECOND)).toEqual({ failures: 5, pauseMs: 20 * SECOND });
  });

  it('pauses at once for a receiver that asks for it', () => {
    expect(after(0, answered(429))).toEqual({ failures: 1, pauseMs: 5 * SECOND });
    expect(after(0, answered(503, MINUTE))).toEqual({ failures: 1, pauseMs: MINUTE });
    expect(after(0, answered(500, MINUTE))).toEqual({ failures: 1, pauseMs: 0 });
  });

  it('lets one attempt at a time through while it is half open', () => {
    expect([0, 4, 5, 9].map((failures) => widthOf({ failures }))).toEqual([
      ENDPOINT_WIDTH,
      ENDPOINT_WIDTH,
      1,
      1,
    ]);
  });
});
