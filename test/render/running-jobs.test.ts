import { describe, expect, test } from 'vitest';
import type { JobRecord } from '../../src/domain/job.ts';
import { RunningJob, RunningJobs } from '../../workers/render/running-jobs.ts';

function runningJob(changes: Partial<JobRecord> = {}, seeds: number[] = [1, 2]): RunningJob {
  const ref = { tenant: 'default', id: 'job-1' };
  const record: JobRecord = {
    ...ref,
    state: 'running',
    fence: 3,
    lane: 'pocket-base.64x64',
    params: {
      kind: 'txt2img',
      upscale: null,
      model: 'pocket-base',
      prompt: 'a cube',
      negativePrompt: '',
      width: 64,
      height: 64,
      steps: 10,
      guidanceScale: 4,
      guidanceRescale: 0,
      clipSkip: 0,
      eta: 0,
      seeds,
      sampler: 'euler',
      priority: 'normal',
      output: { format: 'png', quality: 90 },
      metadata: {},
    },
    createdAt: 0,
    startedAt: 0,
    finishedAt: null,
    attempts: 0,
    crashes: 0,
    soloCrashes: 0,
    progress: { step: 0, steps: 20, etaSeconds: null },
    worker: 'w',
    result: null,
    failure: null,
    ...changes,
  };
  return new RunningJob({ ref, lane: record.lane, token: 't' }, 3, record);
}

describe('a running job', () => {
  test('is one sample an image, each with its seed and the fence in its id', () => {
    const samples = runningJob().samples.map(({ id, request, solo }) => ({ id, seed: request.seed, solo }));
    expect(samples).toEqual([
      { id: 'job-1/3/0', seed: 1, solo: false },
      { id: 'job-1/3/1', seed: 2, solo: false },
    ]);
  });

  test('runs solo after a crash', () => {
    expect(runningJob({ crashes: 1 }).samples.every(({ solo }) => solo)).toBe(true);
  });

  test('sums its progress over its images and estimates the end from its pace', () => {
    const job = runningJob();
    job.stepped('job-1/3/0', { call: 1, calls: 10 }, 1_000);
    expect(job.progress(1_000)).toEqual({ step: 1, steps: 20, etaSeconds: null });
    job.stepped('job-1/3/0', { call: 4, calls: 10 }, 3_000);
    job.stepped('job-1/3/1', { call: 1, calls: 10 }, 3_000);
    expect(job.progress(3_000)).toEqual({ step: 5, steps: 20, etaSeconds: 7.5 });
  });

  test('counts the calls a sampler really takes', () => {
    const job = runningJob({}, [1]);
    job.stepped('job-1/3/0', { call: 1, calls: 11 }, 0);
    expect(job.progress(0).steps).toBe(11);
  });
});

describe('the table of running jobs', () => {
  test('gives a job to the first who takes it out, and to no second', () => {
    const jobs = new RunningJobs();
    const job = runningJob();
    jobs.add(job);
    expect([jobs.remove(job), jobs.remove(job), jobs.has(job)]).toEqual([true, false, false]);
    expect(jobs.bySample('job-1/3/0')).toBeUndefined();
  });

  test('counts samples in the engine apart from images that are being stored', () => {
    const jobs = new RunningJobs();
    const job = runningJob();
    jobs.add(job);
    jobs.leftEngine(job, 'job-1/3/0');
    expect([jobs.samplesInEngine, jobs.samples]).toEqual([1, 2]);
  });

  test('wakes who waits for room when a sample leaves the engine', async () => {
    const jobs = new RunningJobs();
    const job = runningJob();
    jobs.add(job);
    const room = jobs.until(() => jobs.samplesInEngine < 2, new AbortController().signal);
    jobs.leftEngine(job, 'job-1/3/0');
    await expect(room).resolves.toBeUndefined();
  });

  test('lets go of who waits when their signal aborts', async () => {
    const stop = new AbortController();
    const waiting = new RunningJobs().until(() => false, stop.signal);
    stop.abort();
    await expect(waiting).resolves.toBeUndefined();
  });
});
