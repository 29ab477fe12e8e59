/** The outbox: one stream entry a transition, added by the script that made it. Every notification comes from it. */
import { isTerminal, type JobState } from '../domain/job-state.ts';
import type { BulkPlace, JobRef } from '../domain/job.ts';
import { pairUp, toList } from './replies.ts';

/** Every event, and the state of the job after it; null for the events of a bulk. */
const EVENT_STATES = {
  'job.queued': 'queued',
  'job.started': 'running',
  'job.requeued': 'queued',
  'job.succeeded': 'succeeded',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
  'bulk.accepted': null,
  /** The first row has been fed. */
  'bulk.started': null,
  'bulk.paused': null,
  'bulk.resumed': null,
  'bulk.cancelled': null,
  'bulk.retried': null,
  /** The last row has ended; also of a bulk that was cancelled. */
  'bulk.completed': null,
} as const satisfies Record<string, JobState | null>;
export type OutboxEventType = keyof typeof EVENT_STATES;

export interface OutboxEvent {
  /** Stream id: `<ms of Redis>-<number>`, growing. Two deliveries of one event have the same. */
  readonly id: string;
  readonly type: OutboxEventType;
  /** Of the job, or of the bulk whose event it is. */
  readonly ref: JobRef;
  /** Of a bulk: its run. */
  readonly fence: number;
  /** The row that the job stands for. */
  readonly bulk: BulkPlace | null;
  readonly at: number;
}

export function isTerminalEvent(event: OutboxEvent): boolean {
  const state = EVENT_STATES[event.type];
  return state !== null && isTerminal(state);
}

/** An entry of the stream; without an event when its type is unknown here, because a newer version wrote it. */
export interface OutboxEntry {
  readonly id: string;
  readonly event: OutboxEvent | undefined;
}

/** The entries of the first and only stream in the answer to XREAD or XREADGROUP; null is a timeout. */
export function firstStream(reply: unknown): OutboxEntry[] {
  const [stream] = toList(reply);
  return toEntries(toList(stream)[1]);
}

export function toEntries(entries: unknown): OutboxEntry[] {
  return toList(entries).map((entry) => {
    const [id, fields] = toList(entry);
    return { id: String(id), event: toEvent(String(id), pairUp(toList(fields))) };
  });
}

export function eventsOf(entries: readonly OutboxEntry[]): OutboxEvent[] {
  return entries.map(({ event }) => event).filter((event) => event !== undefined);
}

/** Stream ids by their two numbers: negative when a comes before b. */
export function compareIds(a: string, b: string): number {
  const [ms, n] = split(a);
  const [otherMs, otherN] = split(b);
  return ms === otherMs ? n - otherN : ms - otherMs;
}

function split(id: string): [number, number] {
  const [ms, n] = id.split('-').map(Number);
  return [ms ?? 0, n ?? 0];
}

function toEvent(id: string, fields: ReadonlyMap<string, string>): OutboxEvent | undefined {
  const type = fields.get('type');
  if (!isEventType(type)) return undefined;
  return {
    id,
    type,
    ref: { tenant: fields.get('tenant') ?? '', id: fields.get('id') ?? '' },
    fence: Number(fields.get('fence')),
    bulk: toPlace(fields.get('bulk')),
    at: Number(fields.get('at')),
  };
}

/** Written as the record has it: the id of the bulk, a space, the row. */
function toPlace(text: string | undefined): BulkPlace | null {
  const [id, row] = text?.split(' ') ?? [];
  return id === undefined ? null : { id, row: Number(row) };
}

function isEventType(type: string | undefined): type is OutboxEventType {
  return type !== undefined && Object.hasOwn(EVENT_STATES, type);
}
