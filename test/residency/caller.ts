/** The farm as its callers meet it: an upload, submits that are taken or refused, and waiting until all is over. */
import { setTimeout as pause } from 'node:timers/promises';
import { Parse } from 'typebox/value';
import type { CreateJob } from '../../src/contract/create-job.ts';
import { JobList, JobView } from '../../src/contract/job.ts';
import { Problem } from '../../src/contract/problem.ts';
import { Upload } from '../../src/contract/upload.ts';
import { colourPng, maskPng } from '../support/pictures.ts';
import type { Inputs } from './workload.ts';

const SIDE = 64;
/** The least that may be enlarged. */
const SMALL_SIDE = 16;
const CALLERS = 8;
const POLL_MS = 200;

export interface Refusal {
  readonly model: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

export interface Submitted {
  readonly accepted: readonly JobView[];
  readonly refused: readonly Refusal[];
}

export async function uploadInputs(url: string): Promise<Inputs> {
  return {
    image: await upload(url, await colourPng(SIDE, SIDE)),
    mask: await upload(url, await maskPng(SIDE, SIDE)),
    small: await upload(url, await colourPng(SMALL_SIDE, SMALL_SIDE)),
  };
}

/** All at once, or as near to it as some callers side by side come. */
export async function submitAll(url: string, jobs: readonly CreateJob[]): Promise<Submitted> {
  const waiting = [...jobs];
  const accepted: JobView[] = [];
  const refused: Refusal[] = [];
  const call = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const answer = await submit(url, job);
      if ('code' in answer) refused.push(answer);
      else accepted.push(answer);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  return { accepted, refused };
}

/** False when jobs were still waiting or running after the limit. */
export async function untilAllEnded(url: string, limitMs: number): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (performance.now() < end) {
    const [queued, running] = [await hasAny(url, 'queued'), await hasAny(url, 'running')];
    if (!queued && !running) return true;
    await pause(POLL_MS);
  }
  return false;
}

async function submit(url: string, job: CreateJob): Promise<JobView | Refusal> {
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(job),
  });
  const body: unknown = await response.json();
  if (response.ok) return Parse(JobView, body);
  const { code, detail } = Parse(Problem, body);
  return { model: job.model ?? '', status: response.status, code, detail };
}

async function upload(url: string, png: Uint8Array): Promise<string> {
  const response = await fetch(`${url}/v1/uploads`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: Buffer.from(png),
  });
  if (!response.ok) throw new Error(`an upload was answered ${response.status}: ${await response.text()}`);
  return Parse(Upload, await response.json()).id;
}

async function hasAny(url: string, state: 'queued' | 'running'): Promise<boolean> {
  const response = await fetch(`${url}/v1/jobs?state=${state}&limit=1`);
  if (!response.ok) throw new Error(`the list of jobs was answered ${response.status}`);
  return Parse(JobList, await response.json()).jobs.length > 0;
}
