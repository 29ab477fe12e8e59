/**
 * Reads one component's config.json. The classes behind these files have dozens of switches; a switch that Kiln
 * does not know would silently make other images, so every key must be read, fixed to the value Kiln computes
 * with, or declared to be without effect.
 */
import { ModelError } from './errors.ts';

export type Json = Readonly<Record<string, unknown>>;

export class ConfigReader {
  readonly #json: Json;
  readonly #where: string;
  readonly #known = new Set<string>();

  /** @param where the file, named in every error */
  constructor(json: unknown, where: string) {
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      throw new ModelError(`${where}: must be a JSON object`);
    this.#json = Object.fromEntries(Object.entries(json));
    this.#where = where;
  }

  /** A whole number of at least 1. Without a fallback the key is required. */
  count(key: string, fallback?: number): number {
    const value = this.#get(key) ?? fallback;
    if (isCount(value)) return value;
    return this.fail(key, 'must be a whole number of at least 1');
  }

  optionalCount(key: string): number | undefined {
    return this.#get(key) === undefined ? undefined : this.count(key);
  }

  number(key: string, fallback: number): number {
    const value = this.#get(key) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return this.fail(key, 'must be a number');
  }

  text(key: string, fallback: string): string {
    const value = this.#get(key) ?? fallback;
    if (typeof value === 'string') return value;
    return this.fail(key, 'must be a text');
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.#get(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    return this.fail(key, 'must be true or false');
  }

  /** `undefined` when absent or null. */
  optionalBoolean(key: string): boolean | undefined {
    return this.#get(key) === undefined ? undefined : this.boolean(key, false);
  }

  oneOf<T extends string>(key: string, allowed: readonly T[], fallback?: T): T {
    const value = this.#get(key) ?? fallback;
    return allowed.find((item) => item === value) ?? this.fail(key, `must be one of ${allowed.join(', ')}`);
  }

  counts(key: string, fallback: readonly number[]): readonly number[] {
    const value = this.#get(key) ?? fallback;
    if (Array.isArray(value) && value.length > 0 && value.every(isCount)) return value;
    return this.fail(key, 'must be a list of whole numbers of at least 1');
  }

  /** Whole numbers of at least 0. */
  indices(key: string, fallback: readonly number[]): readonly number[] {
    const value = this.#get(key) ?? fallback;
    if (Array.isArray(value) && value.every(isIndex)) return value;
    return this.fail(key, 'must be a list of whole numbers');
  }

  /** A list for which Kiln implements one value only. Required: the class's default is another. */
  exactly(key: string, only: readonly (string | number)[]): void {
    if (JSON.stringify(this.#get(key)) !== JSON.stringify(only))
      this.fail(key, `only ${JSON.stringify(only)} is supported`);
  }

  /** A config within this one. */
  section(key: string, fallback: Json): ConfigReader {
    return new ConfigReader(this.#get(key) ?? fallback, `${this.#where}: "${key}"`);
  }

  /** One of `allowed` per block. */
  names<T extends string>(key: string, allowed: readonly T[], fallback: readonly T[]): readonly T[] {
    const value = this.#get(key) ?? fallback;
    if (!Array.isArray(value)) return this.fail(key, 'must be a list');
    return value.map(
      (item) =>
        allowed.find((name) => name === item) ?? this.fail(key, `may hold ${allowed.join(', ')} only`),
    );
  }

  /** A value for all blocks, or a list with one for each. */
  countPerBlock(key: string, blocks: number, fallback: number): readonly number[] {
    const list = Array.isArray(this.#get(key))
      ? this.counts(key, [])
      : Array<number>(blocks).fill(this.count(key, fallback));
    if (list.length === blocks) return list;
    return this.fail(key, `must have one entry for each of the ${blocks} blocks`);
  }

  /** As `countPerBlock`, for switches. */
  booleanPerBlock(key: string, blocks: number, fallback: boolean): readonly boolean[] {
    const value = this.#get(key);
    if (!Array.isArray(value)) return Array<boolean>(blocks).fill(this.boolean(key, fallback));
    if (value.length === blocks && value.every((item) => typeof item === 'boolean')) return value;
    return this.fail(key, `must be true or false, or a list of ${blocks} of them`);
  }

  /** Keys for which Kiln implements one value only: absent, null or exactly this. */
  fixed(values: Readonly<Record<string, string | number | boolean | null>>): void {
    for (const [key, only] of Object.entries(values)) {
      const value = this.#get(key) ?? only;
      if (value !== only)
        this.fail(key, only === null ? 'is not supported' : `only ${JSON.stringify(only)} is supported`);
    }
  }

  /** Keys that do not change what is computed. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#known.add(key);
  }

  isSet(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  isList(key: string): boolean {
    return Array.isArray(this.#get(key));
  }

  /** Refuses keys nobody asked for, unless they are null (a newer switch, left off) or private (`_class_name`). */
  finish(): void {
    for (const [key, value] of Object.entries(this.#json))
      if (value !== null && !key.startsWith('_') && !this.#known.has(key))
        this.fail(key, 'is unknown to Kiln');
  }

  /** diffusers writes null for "the default". */
  #get(key: string): unknown {
    this.#known.add(key);
    return this.#json[key] ?? undefined;
  }

  /** For rules that span several keys. */
  fail(key: string, problem: string): never {
    const value = Object.hasOwn(this.#json, key) ? JSON.stringify(this.#json[key]) : '(absent)';
    throw new ModelError(`${this.#where}: "${key}": ${value} ${problem}`);
  }
}

function isIndex(value: unknown): value is number {
  return value === 0 || isCount(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}
