/** What a fault run leaves behind for the checker: a history of all that was seen, and the farm as it ended. */
import type { JobRecord } from '../../src/domain/job.ts';
import { JOB_STATES, type JobState } from '../../src/domain/job-state.ts';
import type { Fault } from './plan.ts';
import type { SettingName } from './settings.ts';

/** One line of the JSONL history. `at` is the harness's clock in milliseconds since the epoch. */
export type Entry = { readonly at: number } & (
  | { readonly kind: 'submit'; readonly key: string; readonly setting: SettingName }
  /** An answer to a submit; `id` only when it was accepted. */
  | { readonly kind: 'answer'; readonly key: string; readonly status: number; readonly id: string | null }
  /** No answer came: the job may or may not have been accepted. */
  | { readonly kind: 'in_doubt'; readonly key: string; readonly reason: string }
  /** A GET of the job, sent right after its 202. */
  | { readonly kind: 'read'; readonly id: string; readonly status: number }
  | { readonly kind: 'cancel'; readonly id: string }
  | {
      readonly kind: 'cancel_answer';
      readonly id: string;
      readonly status: number;
      readonly state: JobState | null;
    }
  | { readonly kind: 'event'; readonly id: string; readonly type: string; readonly fence: number }
  /** The job's images, fetched the moment its success became visible; `fault` says what was wrong with them. */
  | { readonly kind: 'witness'; readonly id: string; readonly fault: string | null }
  /** One UNet call, as its supervisor heard of it, with the jobs aboard. */
  | { readonly kind: 'step'; readonly worker: string; readonly ids: readonly string[] }
  | { readonly kind: 'fault'; readonly fault: Fault; readonly phase: 'begin' | 'end' | 'skipped' }
  /** An engine whose supervisor was killed; `goneMs` is null when it outlived the limit. */
  | { readonly kind: 'orphan'; readonly pid: number; readonly goneMs: number | null }
  | { readonly kind: 'drain'; readonly process: string; readonly exitCode: number | null }
  /** A process was found dead that nobody had killed. */
  | { readonly kind: 'death'; readonly process: string; readonly how: string }
  /** The run is over: every process was looked at. */
  | { readonly kind: 'roll_call'; readonly processes: number }
);

/** One entry of a job's own history in Redis. */
export interface Move {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly fence: number;
  readonly reason: string;
}

export interface FinalImage {
  readonly n: number;
  /** As the job's view claims, and as computed from the bytes that its link returned (null: no bytes). */
  readonly claimedSha256: string;
  readonly actualSha256: string | null;
}

export interface FinalJob {
  readonly record: JobRecord;
  readonly moves: readonly Move[];
  /** The state that the API shows. */
  readonly viewState: JobState;
  readonly images: readonly FinalImage[];
  /** The state in job.json, or null when there is none. */
  readonly documentState: JobState | null;
}

export interface FarmEnd {
  readonly jobs: readonly FinalJob[];
  readonly usage: { readonly jobs: number; readonly images: number };
  readonly lanes: ReadonlyArray<{ readonly name: string; readonly left: number }>;
}

export interface Evidence {
  readonly history: readonly Entry[];
  readonly end: FarmEnd;
  /** SHA-256 of every image of a setting, rendered in calm. */
  readonly expected: Readonly<Record<SettingName, readonly string[]>>;
}

/** What one check saw. Nothing examined means that the run gave no occasion: skipped, not passed. */
export interface Findings {
  readonly examined: number;
  readonly of: string;
  readonly faults: readonly string[];
}

export type EntryOf<Kind extends Entry['kind']> = Extract<Entry, { kind: Kind }>;

export function entriesOf<Kind extends Entry['kind']>(evidence: Evidence, kind: Kind): Array<EntryOf<Kind>> {
  return evidence.history.filter((entry): entry is EntryOf<Kind> => entry.kind === kind);
}

/** Ids of everything that was accepted; a repeated submit names its id again. */
export function acceptedIds(history: readonly Entry[]): string[] {
  return history.flatMap((entry) => (entry.kind === 'answer' && entry.id !== null ? [entry.id] : []));
}

/** Id -> idempotency key, of everything that was accepted. */
export function acceptedJobs(evidence: Evidence): Map<string, string> {
  return new Map(
    entriesOf(evidence, 'answer').flatMap((entry) => (entry.id === null ? [] : [[entry.id, entry.key]])),
  );
}

export function finalJobs(evidence: Evidence): Map<string, FinalJob> {
  return new Map(evidence.end.jobs.map((job) => [job.record.id, job]));
}

export function isState(word: unknown): word is JobState {
  return JOB_STATES.some((state) => state === word);
}
