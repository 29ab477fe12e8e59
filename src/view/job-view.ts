import type { JobView } from '../contract/job.ts';
import type { JobRecord, JobRef, RenderedImage } from '../domain/job.ts';
import { effectiveRequest } from './effective-request.ts';
import type { ImageName } from './image-links.ts';

/** What a view needs beside the record. */
export interface ViewContext {
  /** Place in its lane, 1 is the next; null unless it waits there. */
  readonly queuePosition: number | null;
  /** `https://host`, without a slash at the end. */
  readonly origin: string;
  /** Path and query of a signed link. */
  readonly imagePath: (ref: JobRef, name: ImageName) => string;
}

export function toJobView(record: JobRecord, context: ViewContext): JobView {
  const { images, depthMap, latents } = record.result ?? { images: [], depthMap: null, latents: [] };
  const urlOf = (name: ImageName): string => `${context.origin}${context.imagePath(record, name)}`;
  const self = `${context.origin}/v1/jobs/${record.id}`;
  return {
    id: record.id,
    state: record.state,
    queue_position: context.queuePosition,
    progress: {
      step: record.progress.step,
      steps: record.progress.steps,
      eta_seconds: record.progress.etaSeconds,
    },
    timings: timingsOf(record),
    attempts: attemptsOf(record),
    average_batch: record.result?.averageBatch ?? null,
    request: effectiveRequest(record.params),
    bulk: record.params.bulk,
    images: images.map((image) => ({ n: image.n, seed: image.seed, ...fileView(image, urlOf(image.n)) })),
    depth_map: depthMap === null ? null : fileView(depthMap, urlOf('depth-map')),
    latents: latents.map((file) => ({
      n: file.n,
      seed: file.seed,
      ...fileView(file, urlOf(`latents-${file.n}`)),
    })),
    error: record.failure === null ? null : { code: record.failure.code, message: record.failure.message },
    links: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}

/** A caller counts the run under way, too; the record counts only runs that the job itself spoiled. */
function attemptsOf({ attempts, startedAt }: JobRecord): number {
  return startedAt === null ? attempts : attempts + 1;
}

function timingsOf({ createdAt, startedAt, finishedAt }: JobRecord): JobView['timings'] {
  return {
    created_at: isoTime(createdAt),
    started_at: startedAt === null ? null : isoTime(startedAt),
    finished_at: finishedAt === null ? null : isoTime(finishedAt),
    queue_ms: startedAt === null ? null : startedAt - createdAt,
    render_ms: startedAt === null || finishedAt === null ? null : finishedAt - startedAt,
  };
}

function fileView(image: RenderedImage, url: string): NonNullable<JobView['depth_map']> {
  return {
    url,
    width: image.width,
    height: image.height,
    bytes: image.bytes,
    sha256: image.sha256,
    content_type: image.contentType,
  };
}

/** Milliseconds since the epoch -> RFC 3339 in UTC. */
export function isoTime(at: number): string {
  return new Date(at).toISOString();
}
