import type { JobView } from '../../contract/job.ts';
import { formatTable, type Column } from '../table.ts';

const PROMPT_CHARS = 46;

const COLUMNS: ReadonlyArray<Column<JobView>> = [
  { title: 'prompt', align: 'left', text: shortPrompt },
  { title: 'seed', align: 'right', text: ({ images: [image] }) => String(image?.seed ?? '-') },
  { title: 'size', align: 'right', text: shownSize },
  { title: 'steps', align: 'right', text: ({ request }) => String(request.steps) },
  { title: 'sampler', align: 'left', text: ({ request }) => request.sampler },
  { title: 'queued', align: 'right', text: ({ timings }) => seconds(timings.queue_ms) },
  { title: 'rendered', align: 'right', text: ({ timings }) => seconds(timings.render_ms) },
  { title: 'avg batch', align: 'right', text: ({ average_batch: batch }) => batch?.toFixed(1) ?? '-' },
];

/** What was asked for, how long it waited and took, and in how much company it was denoised. */
export function resultTable(jobs: readonly JobView[]): string {
  return formatTable(COLUMNS, jobs);
}

export function seconds(ms: number | null): string {
  return ms === null ? '-' : `${(ms / 1_000).toFixed(1)} s`;
}

export function shortPrompt({ request: { prompt } }: JobView): string {
  return prompt.length <= PROMPT_CHARS ? prompt : `${prompt.slice(0, PROMPT_CHARS - 3)}...`;
}

function shownSize({ images: [image] }: JobView): string {
  return image === undefined ? '-' : `${image.width}x${image.height}`;
}
