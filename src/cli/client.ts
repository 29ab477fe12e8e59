/** The CLI's way to a farm: the public HTTP API, its answers checked against the same shapes that the API sends. */
import { type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { CreateJob } from '../contract/create-job.ts';
import { JobList, JobView } from '../contract/job.ts';
import { Problem } from '../contract/problem.ts';

const REQUEST_LIMIT_MS = 30_000;

export class KilnClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param apiKey undefined for a farm without keys */
  constructor(url: string, apiKey?: string) {
    this.#url = url;
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  submit(job: CreateJob): Promise<JobView> {
    return this.#ask(JobView, '/v1/jobs', { method: 'POST', body: JSON.stringify(job) });
  }

  /** The newest jobs first, `limit` at most. */
  async jobs(limit: number): Promise<JobView[]> {
    const { jobs } = await this.#ask(JobList, `/v1/jobs?limit=${limit}`);
    return jobs;
  }

  /** The bytes of an image; its link needs no key. */
  async download(url: string): Promise<Buffer> {
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_LIMIT_MS) });
    if (!response.ok) throw await this.#failure(response);
    return Buffer.from(await response.arrayBuffer());
  }

  async #ask<Shape extends TSchema>(
    shape: Shape,
    path: string,
    request: { method?: string; body?: string } = {},
  ): Promise<Static<Shape>> {
    const response = await fetch(`${this.#url}${path}`, {
      ...request,
      headers:
        request.body === undefined ? this.#headers : { ...this.#headers, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    });
    if (!response.ok) throw await this.#failure(response);
    return Value.Parse(shape, await response.json());
  }

  async #failure(response: Response): Promise<Error> {
    const text = await response.text();
    const problem = parseJson(text);
    if (!Value.Check(Problem, problem))
      return new Error(`${response.url} answered ${response.status}: ${text}`);
    const faults = problem.errors.map(({ field, message }) => `\n  ${field}: ${message}`);
    return new Error(`${problem.detail} (${problem.code})${faults.join('')}`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy in between may answer in HTML; the caller shows the text as it is.
    return undefined;
  }
}
