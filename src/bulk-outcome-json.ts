/** How a row ended, as JSON: in Redis at first, in the store once its chunk is whole. */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { StoredFailure } from './contract/job-record.ts';
import { TERMINAL_STATES } from './domain/job-state.ts';
import type { RowOutcome } from './domain/bulk.ts';
import { toJobResult } from './job-json.ts';

const stored = Compile(
  Type.Object({
    job: Type.Union([Type.String(), Type.Null()]),
    state: Type.Enum(TERMINAL_STATES),
    finishedAt: Type.Number(),
    result: Type.Unknown(),
    failure: Type.Union([StoredFailure, Type.Null()]),
  }),
);

/** Throws when the text is damaged; `what` is in the message. */
export function toRowOutcome(row: number, text: string, what: string): RowOutcome {
  const value: unknown = JSON.parse(text);
  if (!stored.Check(value)) throw new Error(`${what} is damaged`);
  const { job, state, finishedAt, failure } = value;
  const result = value.result === null ? null : toJobResult(value.result, what);
  return { row, job, state, finishedAt, result, failure };
}

/** A line for each row that ended, in their order. */
export function outcomeLines(outcomes: readonly RowOutcome[]): Uint8Array {
  const sorted = outcomes.toSorted((a, b) => a.row - b.row);
  return Buffer.from(sorted.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''));
}

/** The reverse of `outcomeLines`. */
export function parseOutcomeLines(bytes: Uint8Array, what: string): RowOutcome[] {
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.filter((line) => line !== '').map((line) => toRowOutcome(rowOf(line, what), line, what));
}

function rowOf(line: string, what: string): number {
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null && 'row' in value && typeof value.row === 'number') {
    return value.row;
  }
  throw new Error(`a line of ${what} names no row`);
}
