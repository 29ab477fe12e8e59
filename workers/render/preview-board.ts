/**
 * Shows previews to those who follow a job. They come when they can: of each image at most one is on its way and one
 * waits, the newest, whatever Redis or the encoder does meanwhile. None of them holds up the job.
 */
import type { JobRecords } from '../../src/queue/job-records.ts';
import type { Background } from './background.ts';
import { encodePreview } from './encode-image.ts';
import type { EngineEvent } from './engine/protocol.ts';
import type { RunningJob } from './running-jobs.ts';

export type PreviewEvent = EngineEvent & { kind: 'preview' };

export interface PreviewBoardParts {
  readonly records: Pick<JobRecords, 'show'>;
  readonly background: Background;
}

export class PreviewBoard {
  readonly #parts: PreviewBoardParts;
  /** By sample, while one is on its way: what comes after it. */
  readonly #next = new Map<string, PreviewEvent | undefined>();

  constructor(parts: PreviewBoardParts) {
    this.#parts = parts;
  }

  show(job: RunningJob, event: PreviewEvent): void {
    const isBusy = this.#next.has(event.id);
    this.#next.set(event.id, isBusy ? event : undefined);
    if (isBusy) return;
    this.#parts.background.run('Showing a preview', job.log, () => this.#send(job, event));
  }

  async #send(job: RunningJob, first: PreviewEvent): Promise<void> {
    try {
      let event: PreviewEvent | undefined = first;
      while (event !== undefined) {
        this.#next.set(first.id, undefined);
        await this.#publish(job, event);
        event = this.#next.get(first.id);
      }
    } finally {
      this.#next.delete(first.id);
    }
  }

  async #publish(job: RunningJob, event: PreviewEvent): Promise<void> {
    const { bytes, width, height, contentType } = await encodePreview(event);
    await this.#parts.records.show(job.ref, {
      kind: 'preview',
      run: job.fence,
      n: job.slotOf(event.id).n,
      step: event.call,
      steps: event.calls,
      how: event.how,
      ms: Math.round(event.ms * 10) / 10,
      width,
      height,
      contentType,
      data: Buffer.from(bytes).toString('base64'),
    });
  }
}
