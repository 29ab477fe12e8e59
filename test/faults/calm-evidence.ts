/** Evidence of a small run without any fault in it: the ground on which the checker's tests plant theirs. */
import { DEFAULT_TENANT, type JobRecord } from '../../src/domain/job.ts';
import type { Entry, Evidence, FinalJob, Move } from './evidence.ts';
import type { SettingName } from './settings.ts';

const SHA = { quick: 'a1', unguided: 'b1', long: 'c1', wide: 'd1' } as const;
export const PAIR_SHAS = ['e1', 'e2'];

/** Two successes (one of two images) and one job that was cancelled while it ran. */
export function calmEvidence(): Evidence {
  return {
    history: [
      ...accepted('job-a', 'key-a', 'quick'),
      ...accepted('job-b', 'key-b', 'pair'),
      ...accepted('job-c', 'key-c', 'long'),
      { kind: 'step', at: 20, worker: 'supervisor-1', ids: ['job-a', 'job-b', 'job-c'] },
      { kind: 'cancel', at: 30, id: 'job-c' },
      { kind: 'cancel_answer', at: 31, id: 'job-c', status: 200, state: 'cancelled' },
      { kind: 'step', at: 32, worker: 'supervisor-1', ids: ['job-a', 'job-b', 'job-c'] },
      ...(['job-a', 'job-b'] as const).flatMap((id): Entry[] => [
        { kind: 'event', at: 40, id, type: 'job.succeeded', fence: 1 },
        { kind: 'witness', at: 41, id, fault: null },
      ]),
      { kind: 'event', at: 31, id: 'job-c', type: 'job.cancelled', fence: 2 },
      { kind: 'orphan', at: 50, pid: 4242, goneMs: 12 },
      { kind: 'drain', at: 60, process: 'supervisor-1', exitCode: 0 },
      { kind: 'roll_call', at: 61, processes: 4 },
    ],
    end: {
      jobs: [
        succeeded('job-a', [SHA.quick]),
        succeeded('job-b', PAIR_SHAS),
        {
          record: record('job-c', { state: 'cancelled', fence: 2 }),
          moves: moves([
            ['queued', 0],
            ['running', 1],
            ['cancelled', 2],
          ]),
          viewState: 'cancelled',
          images: [],
          documentState: 'cancelled',
        },
      ],
      usage: { jobs: 2, images: 3 },
      lanes: [{ name: 'pocket-base.64x64', left: 0 }],
    },
    expected: {
      quick: [SHA.quick],
      unguided: [SHA.unguided],
      pair: PAIR_SHAS,
      long: [SHA.long],
      wide: [SHA.wide],
    },
  };
}

export function accepted(id: string, key: string, setting: SettingName): Entry[] {
  return [
    { kind: 'submit', at: 1, key, setting },
    { kind: 'answer', at: 2, key, status: 202, id },
    { kind: 'read', at: 3, id, status: 200 },
  ];
}

export function succeeded(id: string, shas: readonly string[]): FinalJob {
  return {
    record: record(id, {
      state: 'succeeded',
      fence: 1,
      params: { ...record(id, {}).params, seeds: shas.map((_, n) => n) },
      result: {
        averageBatch: 2,
        depthMap: null,
        latents: [],
        images: shas.map((sha256, n) => ({
          n,
          key: `${DEFAULT_TENANT}/jobs/${id}/1/${n}.png`,
          seed: n,
          width: 64,
          height: 64,
          bytes: 100,
          sha256,
          contentType: 'image/png',
        })),
      },
    }),
    moves: moves([
      ['queued', 0],
      ['running', 1],
      ['succeeded', 1],
    ]),
    viewState: 'succeeded',
    images: shas.map((sha256, n) => ({ n, claimedSha256: sha256, actualSha256: sha256 })),
    documentState: 'succeeded',
  };
}

/** Moves through the given states, each with its fence. */
export function moves(states: ReadonlyArray<readonly [to: string, fence: number]>): Move[] {
  return states.map(([to, fence], index) => ({
    at: index,
    from: states[index - 1]?.[0] ?? '',
    to,
    fence,
    reason: to,
  }));
}

export function record(id: string, changes: Partial<JobRecord>): JobRecord {
  return {
    tenant: DEFAULT_TENANT,
    id,
    state: 'queued',
    fence: 0,
    lane: 'pocket-base.64x64',
    params: {
      kind: 'txt2img',
      upscale: null,
      model: 'pocket-base',
      prompt: 'a small red cube',
      negativePrompt: '',
      width: 64,
      height: 64,
      steps: 4,
      guidanceScale: 4,
      guidanceRescale: 0,
      clipSkip: 0,
      eta: 0,
      seeds: [1],
      sampler: 'euler',
      priority: 'normal',
      output: { format: 'png', quality: 90 },
      metadata: {},
      webhook: null,
      bulk: null,
      preview: null,
      endStep: null,
      startFrom: null,
    },
    createdAt: 1,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    crashes: 0,
    soloCrashes: 0,
    progress: { step: 0, steps: 4, etaSeconds: null },
    worker: null,
    result: null,
    failure: null,
    ...changes,
  };
}
