/** The API as a caller meets it over HTTP, with answers checked against the published shapes. */
import { setTimeout as pause } from 'node:timers/promises';
import { Parse } from 'typebox/value';
import type { CreateJob } from '../../src/contract/create-job.ts';
import { JobView } from '../../src/contract/job.ts';

const POLL_MS = 25;

/** Throws unless the job was accepted. With `waitSeconds` the answer comes when the job has ended, or then. */
export async function createJob(url: string, job: CreateJob, waitSeconds = 0): Promise<JobView> {
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {}),
    },
    body: JSON.stringify(job),
  });
  if (!response.ok) throw new Error(`POST answered ${response.status}: ${await response.text()}`);
  return Parse(JobView, await response.json());
}

export async function readJob(url: string, id: string): Promise<JobView> {
  const response = await fetch(`${url}/v1/jobs/${id}`);
  if (!response.ok) throw new Error(`GET of job ${id} answered ${response.status}: ${await response.text()}`);
  return Parse(JobView, await response.json());
}

/** Throws when the job ends otherwise, or not at all within the limit. */
export async function untilSucceeded(url: string, id: string, limitMs = 60_000): Promise<JobView> {
  const end = performance.now() + limitMs;
  for (;;) {
    const view = await readJob(url, id);
    if (view.state === 'succeeded') return view;
    if (view.state === 'failed' || view.state === 'cancelled') {
      throw new Error(`job ${id} ended ${view.state}: ${view.error?.message ?? 'no reason given'}`);
    }
    if (performance.now() > end) throw new Error(`job ${id} is ${view.state} after ${limitMs} ms`);
    await pause(POLL_MS);
  }
}

/** The bytes behind an image's link, or null when there are none. */
export async function readImage(link: string): Promise<Uint8Array | null> {
  const response = await fetch(link);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return response.ok ? bytes : null;
}
