import { describe, expect, it } from 'vitest';
import { eventOfTransition, messageId, messageType, sequenceOf, shownUrl } from '../../src/domain/webhook.ts';

describe('a message', () => {
  it('is named after its event', () => {
    expect(messageType('completed')).toBe('job.completed');
    expect(messageType('bulk.completed')).toBe('bulk.completed');
    expect(messageType('test')).toBe('webhook.test');
  });

  it('has one id for each thing that can be told, without a dot', () => {
    expect(messageId('completed', 'job_1')).toBe('msg_job_1_completed');
    expect(messageId('progress', 'job_1', 7)).toBe('msg_job_1_progress_7');
    expect(messageId('bulk.completed', 'blk_1')).toBe('msg_blk_1_completed');
    expect(messageId('bulk.completed', 'blk_1', 2)).toBe('msg_blk_1_completed_2');
  });

  it('has a sequence that grows from the start over every step to the end', () => {
    const at = (step: number) => ({ step, steps: 20, etaSeconds: null });
    expect([
      sequenceOf('started', at(0)),
      sequenceOf('progress', at(1)),
      sequenceOf('progress', at(20)),
      sequenceOf('failed', at(3)),
    ]).toEqual([1, 2, 21, 22]);
  });
});

it('a job that goes back to its lane is nobody’s news', () => {
  expect(
    ['job.queued', 'job.started', 'job.requeued', 'job.succeeded', 'bulk.paused'].map(eventOfTransition),
  ).toEqual([undefined, 'started', undefined, 'completed', undefined]);
});

it('logs do not show the query of an address', () => {
  expect(shownUrl('https://a.example/hook?token=1#x')).toBe('https://a.example/hook?[redacted]');
  expect(shownUrl('https://a.example/hook')).toBe('https://a.example/hook');
});
