/** What every store promises, whatever it keeps objects in. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { StoreError } from '../../src/storage/store-error.ts';

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Lets everything that is there grow older than the `ageMs` it resolves with. */
  growOld(keys: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const text = (object: Uint8Array | undefined): string | undefined =>
  object && Buffer.from(object).toString();

/** Each test gets an empty store from `open`. */
export function describeStore(name: string, open: () => Promise<OpenedStore>): void {
  let opened: OpenedStore;
  let store: ObjectStore;

  beforeEach(async () => {
    opened = await open();
    store = opened.store;
  });
  afterEach(() => opened.close());

  const putAll = async (keys: readonly string[]): Promise<void> => {
    await Promise.all(keys.map((key) => store.put(key, bytes(key), 'text/plain')));
  };

  describe(`an object in ${name}`, () => {
    it('reads back as it was put, also an empty one and one that replaces another', async () => {
      await store.put('t/jobs/1/1/0.png', bytes('one'), 'image/png');
      expect(text(await store.get('t/jobs/1/1/0.png'))).toBe('one');
      await store.put('t/jobs/1/1/0.png', bytes('two'), 'image/png');
      expect(text(await store.get('t/jobs/1/1/0.png'))).toBe('two');
      await store.put('t/empty', bytes(''), 'text/plain');
      expect(await store.get('t/empty')).toHaveLength(0);
    });

    it('keeps every byte of a megabyte of all values', async () => {
      const all = Uint8Array.from({ length: 1_000_003 }, (_, n) => (n * 31) % 256);
      await store.put('t/large', all, 'application/octet-stream');
      expect(Buffer.compare((await store.get('t/large')) ?? bytes(''), all)).toBe(0);
    });

    it('is absent before it is put and after it is deleted, however often', async () => {
      expect(await store.get('t/nothing')).toBeUndefined();
      await store.put('t/a', bytes('a'), 'text/plain');
      expect(await store.get('t/a/b')).toBeUndefined();
      await store.delete('t/a');
      await store.delete('t/a');
      await store.delete('t/a/b');
      expect(await store.get('t/a')).toBeUndefined();
    });

    it('is whole for every reader, however many write it at once', async () => {
      const versions = Array.from({ length: 8 }, (_, n) => String(n).repeat(200_000));
      await store.put('t/contended', bytes(versions[0]!), 'text/plain');
      const writes = versions.map((version) => store.put('t/contended', bytes(version), 'text/plain'));
      const reads = Array.from({ length: 40 }, () => store.get('t/contended'));
      const seen = (await Promise.all(reads)).map(text);
      await Promise.all(writes);
      expect(seen.filter((object) => !versions.includes(object ?? ''))).toEqual([]);
      expect(await store.list('t/')).toEqual(['t/contended']);
    });
  });

  describe(`the start of an object in ${name}`, () => {
    it('has as many bytes as wanted or as there are, and tells the size of the whole', async () => {
      await store.put('t/a', bytes('0123456789'), 'text/plain');
      await store.put('t/empty', bytes(''), 'text/plain');
      const read = async (key: string, length: number): Promise<unknown> => {
        const part = await store.getStart(key, length);
        return part && [text(part.start), part.size];
      };
      expect(await read('t/a', 4)).toEqual(['0123', 10]);
      expect(await read('t/a', 10)).toEqual(['0123456789', 10]);
      expect(await read('t/a', 100)).toEqual(['0123456789', 10]);
      expect(await read('t/a', 0)).toEqual(['', 10]);
      expect(await read('t/empty', 4)).toEqual(['', 0]);
      expect(await read('t/b', 4)).toBeUndefined();
    });
  });

  describe(`what nobody uses in ${name}`, () => {
    it('is deleted below the prefix only, and stays when it was put or touched since', async () => {
      const old = ['a/inputs/old', 'a/inputs/touched', 'a/inputs/put', 'a/jobs/old'];
      await putAll(old);
      const ageMs = await opened.growOld(old);
      await store.put('a/inputs/put', bytes('again'), 'text/plain');
      expect(await store.touch('a/inputs/touched')).toBe(true);
      expect(await store.deleteUnused('a/inputs/', ageMs)).toBe(1);
      expect((await store.list('a/')).toSorted()).toEqual(['a/inputs/put', 'a/inputs/touched', 'a/jobs/old']);
      expect(await store.deleteUnused('b/inputs/', ageMs)).toBe(0);
      expect(text(await store.get('a/inputs/touched'))).toBe('a/inputs/touched');
    });

    it('cannot be touched once it is gone', async () => {
      expect(await store.touch('a/inputs/gone')).toBe(false);
      await store.put('a/x', bytes('x'), 'text/plain');
      expect(await store.touch('a/x/y')).toBe(false);
    });
  });

  describe(`a list of ${name}`, () => {
    it('names the objects below a prefix, at any depth, and no others', async () => {
      await putAll(['a/jobs/1/1/0.png', 'a/jobs/1/job.json', 'a/jobs/10/1/0.png', 'b/jobs/1/job.json']);
      expect((await store.list('a/jobs/1/')).toSorted()).toEqual(['a/jobs/1/1/0.png', 'a/jobs/1/job.json']);
      expect(await store.list('a/jobs/2/')).toEqual([]);
      expect(await store.list('b/jobs/1/job.json/')).toEqual([]);
    });

    it('wants a prefix that ends in a slash', async () => {
      await expect(store.list('a/jobs/1')).rejects.toThrow(/end in '\/'/);
      await expect(store.deleteUnused('a/jobs/1', 1)).rejects.toThrow(/end in '\/'/);
    });
  });

  describe(`a key of ${name}`, () => {
    const BAD = [
      '',
      '/etc/passwd',
      '../x',
      'a/../../x',
      'a/..',
      './a',
      'a//b',
      'a/',
      'a\0b',
      'a\\..\\b',
      'a/.partial-x',
      'x'.repeat(1_025),
      'ü'.repeat(513),
    ];
    it.each(BAD)('%j is refused by every operation, as a fault of its caller', async (key) => {
      const refusals = await Promise.allSettled([
        store.put(key, bytes('x'), 'text/plain'),
        store.get(key),
        store.delete(key),
        store.getStart(key, 1),
        store.touch(key),
        store.list(`${key}/`),
      ]);
      for (const refusal of refusals) {
        const reason: unknown = refusal.status === 'rejected' ? refusal.reason : undefined;
        expect(String(reason)).toMatch(/object key/);
        expect(reason).not.toBeInstanceOf(StoreError);
      }
    });

    it('may hold dots, signs and any letter', async () => {
      for (const key of ['a/..b/c..', 'ä/窯', 'a/...', "a/b c+d&e=f'(g)*~!%20?"]) {
        await store.put(key, bytes(key), 'text/plain');
        expect(text(await store.get(key))).toBe(key);
        expect(await store.list(`${key.split('/')[0]}/`)).toContain(key);
        expect(await store.touch(key)).toBe(true);
        await store.delete(key);
        expect(await store.get(key)).toBeUndefined();
      }
    });
  });
}
