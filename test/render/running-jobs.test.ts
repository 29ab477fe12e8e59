import { pino } from 'pino';
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
      webhook: null,
      bulk: null,
      preview: null,
      endStep: null,
      startFrom: null,
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
  return new RunningJob({ ref, lane: record.lane, token: 't' }, 3, record, pino({ level: 'silent' }));
}

/** The engine has been told of it. */
function enteredJob(): RunningJob {
  const job = runningJob();
  job.enter({});
  return job;
}

describe('a running job', () => {
  test('is one sample an image, each with its seed and the fence in its id', () => {
    const samples = runningJob().samples.map(({ id, request, solo }) => ({ id, seed: request.seed, solo }));
    expect(samples).toEqual([
      { id: 'job-1/3/0', seed: 1, solo: false },
      { id: 'job-1/3/1', seed: 2, solo: false },
    ]);
  });

  test('hands the engine one array for an input, and none before it is read or for what has left', () => {
    const job = runningJob();
    expect(job.engineSamples()).toEqual([]);
    const image = Uint8Array.of(1);
    job.enter({ image });
    expect(job.engineSamples().map(({ inputs }) => inputs.image === image)).toEqual([true, true]);
    job.leave('job-1/3/0');
    expect(job.engineSamples().map(({ id }) => id)).toEqual(['job-1/3/1']);
    job.leave('job-1/3/1');
    expect(job.engineSamples()).toEqual([]);
  });

  test('runs solo after a crash', () => {
    expect(runningJob({ crashes: 1 }).samples.every(({ solo }) => solo)).toBe(true);
  });

  test('sums its progress over its images and estimates the end from its pace', () => {
    const job = runningJob();
    job.stepped('job-1/3/0', { call: 1, calls: 10 }, { lane: 'a', now: 1_000 });
    expect(job.progress(1_000)).toEqual({ step: 1, steps: 20, etaSeconds: null });
    job.stepped('job-1/3/0', { call: 4, calls: 10 }, { lane: 'a', now: 3_000 });
    job.stepped('job-1/3/1', { call: 1, calls: 10 }, { lane: 'a', now: 3_000 });
    expect(job.progress(3_000)).toEqual({ step: 5, steps: 20, etaSeconds: 7.5 });
  });

  test('counts the calls a sampler really takes', () => {
    const job = runningJob({}, [1]);
    job.stepped('job-1/3/0', { call: 1, calls: 11 }, { lane: 'a', now: 0 });
    expect(job.progress(0).steps).toBe(11);
  });

  test('estimates the end of a second stage by its own pace, once it has one', () => {
    const job = runningJob({}, [1]);
    const stepped = (call: number, lane: string, now: number): void =>
      job.stepped('job-1/3/0', { call, calls: 20 }, { lane, now });
    for (let call = 1; call <= 10; call++) stepped(call, 'first', call * 100);
    expect(job.progress(1_000).etaSeconds).toBe(1);
    stepped(11, 'second', 1_900);
    expect(job.progress(1_900).etaSeconds).toBe(1.8);
    stepped(12, 'second', 2_900);
    expect(job.progress(2_900).etaSeconds).toBe(8);
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
    const job = enteredJob();
    jobs.add(job);
    jobs.leftEngine(job, 'job-1/3/0');
    expect([jobs.samplesInEngine, jobs.samplesToRender, jobs.samples]).toEqual([1, 1, 2]);
  });

  test('counts samples that await their inputs among those to render, not among those in the engine', () => {
    const jobs = new RunningJobs();
    jobs.add(runningJob());
    expect([jobs.samplesInEngine, jobs.samplesToRender, jobs.samples]).toEqual([0, 2, 2]);
  });

  test('wakes who waits for room when a sample leaves the engine', async () => {
    const jobs = new RunningJobs();
    const job = enteredJob();
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
