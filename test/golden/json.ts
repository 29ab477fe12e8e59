/** Reads reference JSON of unknown shape: each function says what it wanted and what it got. */
export type Json = Readonly<Record<string, unknown>>;

export function record(value: unknown): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  return fail(value, 'an object');
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : fail(value, 'a list');
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : fail(value, 'a string');
}

export function number(value: unknown): number {
  return typeof value === 'number' ? value : fail(value, 'a number');
}

export function numbers(value: unknown): readonly number[] {
  return list(value).map(number);
}

function fail(value: unknown, wanted: string): never {
  throw new TypeError(`${String(JSON.stringify(value)).slice(0, 80)} is not ${wanted}`);
}
