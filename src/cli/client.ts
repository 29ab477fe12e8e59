/** The CLI's way to a farm: the public HTTP API, its answers checked against the same shapes that the API sends. */
import { type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { BulkUpload } from '../contract/bulk-upload.ts';
import { BulkView } from '../contract/bulk.ts';
import { JobList, JobView } from '../contract/job.ts';
import { Problem } from '../contract/problem.ts';
import { Upload } from '../contract/upload.ts';
import { WorkerList, type Worker } from '../contract/worker.ts';

const REQUEST_LIMIT_MS = 30_000;

interface ApiRequest {
  readonly method?: string;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly duplex?: 'half';
  /** It may take as long as it likes. */
  readonly isPatient?: true;
  /** Of the body. */
  readonly type?: string;
}

export class KilnClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @param apiKey undefined for a farm without keys */
  constructor(url: string, apiKey?: string) {
    this.#url = url;
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  }

  /** @param job a CreateJob; the API says what is wrong with it */
  submit(job: object): Promise<JobView> {
    return this.#ask(JobView, '/v1/jobs', {
      method: 'POST',
      body: JSON.stringify(job),
      type: 'application/json',
    });
  }

  /** The newest jobs first, `limit` at most, of one state if it is named. */
  async jobs(limit: number, state?: string): Promise<JobView[]> {
    const query = new URLSearchParams({ limit: String(limit), ...(state === undefined ? {} : { state }) });
    const { jobs } = await this.#ask(JobList, `/v1/jobs?${query.toString()}`);
    return jobs;
  }

  job(id: string): Promise<JobView> {
    return this.#ask(JobView, `/v1/jobs/${encodeURIComponent(id)}`);
  }

  cancel(id: string): Promise<JobView> {
    return this.#ask(JobView, `/v1/jobs/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
  }

  /** Sends the file of a bulk; the API reads its form from its type and bytes. `query` has the options of the upload. */
  uploadBulk(
    file: ReadableStream<Uint8Array>,
    { type, query }: { type: string; query: URLSearchParams },
  ): Promise<BulkUpload> {
    // No limit: a million rows take their time to arrive and to be checked.
    const request = { method: 'POST', body: file, type, duplex: 'half', isPatient: true } as const;
    return this.#ask(BulkUpload, `/v1/bulks?${query.toString()}`, request);
  }

  bulk(id: string): Promise<BulkView> {
    return this.#ask(BulkView, `/v1/bulks/${encodeURIComponent(id)}`);
  }

  cancelBulk(id: string): Promise<BulkView> {
    return this.#ask(BulkView, `/v1/bulks/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
  }

  /** The images and the table of a bulk, as a zip, as it is made. */
  async bulkZip(id: string): Promise<ReadableStream<Uint8Array>> {
    const path = `/v1/bulks/${encodeURIComponent(id)}/results.zip`;
    const response = await this.#fetch(path, { headers: this.#headers });
    if (!response.ok || response.body === null) throw await this.#failure(response);
    return response.body;
  }

  async workers(): Promise<Worker[]> {
    const { workers } = await this.#ask(WorkerList, '/v1/workers');
    return workers;
  }

  /** Sends an image ahead of the job that uses it. */
  upload(image: Uint8Array<ArrayBuffer>): Promise<Upload> {
    const type = 'application/octet-stream';
    return this.#ask(Upload, '/v1/uploads', { method: 'POST', body: image, type });
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
    { type, isPatient, ...request }: ApiRequest = {},
  ): Promise<Static<Shape>> {
    const response = await this.#fetch(path, {
      ...request,
      headers: type === undefined ? this.#headers : { ...this.#headers, 'content-type': type },
      signal: isPatient === true ? null : AbortSignal.timeout(REQUEST_LIMIT_MS),
    });
    if (!response.ok) throw await this.#failure(response);
    return Value.Parse(shape, await response.json());
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.#url}${path}`, init);
    } catch (error) {
      const why = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
      throw new Error(`no farm answers at ${this.#url}${why}; set KILN_URL to where it is`, { cause: error });
    }
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
