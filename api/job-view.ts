import type { JobView } from '../src/contract/job.ts';
import type { JobParams, JobRecord, JobRef, RenderedImage } from '../src/domain/job.ts';

/** What a view needs beside the record. */
export interface ViewContext {
  /** Place in its lane, 1 is the next; null unless it waits there. */
  readonly queuePosition: number | null;
  /** `https://host`, without a slash at the end. */
  readonly origin: string;
  /** Path and query of a signed link. */
  readonly imagePath: (ref: JobRef, n: number) => string;
}

export function toJobView(record: JobRecord, context: ViewContext): JobView {
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
    images: (record.result?.images ?? []).map((image) =>
      imageView(image, `${context.origin}${context.imagePath(record, image.n)}`),
    ),
    error: record.failure === null ? null : { code: record.failure.code, message: record.failure.message },
    links: { self, cancel: `${self}/cancel` },
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

function effectiveRequest(params: JobParams): JobView['request'] {
  return {
    kind: params.kind,
    prompt: params.prompt,
    negative_prompt: params.negativePrompt,
    model: params.model,
    width: params.width,
    height: params.height,
    steps: params.steps,
    guidance_scale: params.guidanceScale,
    guidance_rescale: params.guidanceRescale,
    clip_skip: params.clipSkip,
    seed: params.seeds[0] ?? 0,
    sampler: params.sampler,
    images: params.seeds.length,
    priority: params.priority,
    output: params.output,
    metadata: params.metadata,
  };
}

function imageView(image: RenderedImage, url: string): JobView['images'][number] {
  return {
    n: image.n,
    url,
    seed: image.seed,
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
