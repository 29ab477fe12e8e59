import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalStore } from '../../src/storage/local-store.ts';

let root: string;
let store: LocalStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'kiln-store-'));
  store = new LocalStore(join(root, 'objects'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (object: Uint8Array | undefined): string | undefined => object && Buffer.from(object).toString();

describe('an object', () => {
  it('reads back as it was put, also an empty one and one that replaces another', async () => {
    await store.put('t/jobs/1/1/0.png', bytes('one'), 'image/png');
    expect(text(await store.get('t/jobs/1/1/0.png'))).toBe('one');
    await store.put('t/jobs/1/1/0.png', bytes('two'), 'image/png');
    expect(text(await store.get('t/jobs/1/1/0.png'))).toBe('two');
    await store.put('t/empty', bytes(''), 'text/plain');
    expect(await store.get('t/empty')).toHaveLength(0);
  });

  it('is absent before it is put, after it is deleted, and below another object', async () => {
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
    expect(await readdir(join(root, 'objects', 't'))).toEqual(['contended']);
  });

  it('that cannot be written leaves no trace, and the error names it', async () => {
    await store.put('t/file', bytes('x'), 'text/plain');
    await expect(store.put('t/file/below', bytes('y'), 'text/plain')).rejects.toThrow(/t\/file\/below/);
    await store.put('t/folder/object', bytes('x'), 'text/plain');
    await expect(store.put('t/folder', bytes('y'), 'text/plain')).rejects.toThrow(/t\/folder/);
    expect((await store.list('t/')).toSorted()).toEqual(['t/file', 't/folder/object']);
    expect((await readdir(join(root, 'objects', 't'))).toSorted()).toEqual(['file', 'folder']);
  });
});

describe('the start of an object', () => {
  it('has as many bytes as wanted or as there are, and tells the size of the whole', async () => {
    await store.put('t/a', bytes('0123456789'), 'text/plain');
    const part = await store.getStart('t/a', 4);
    expect([text(part?.start), part?.size]).toEqual(['0123', 10]);
    const whole = await store.getStart('t/a', 100);
    expect([text(whole?.start), whole?.size]).toEqual(['0123456789', 10]);
    expect(await store.getStart('t/b', 4)).toBeUndefined();
  });
});

describe('what nobody uses', () => {
  const HOUR = 3_600_000;

  async function putOld(key: string): Promise<void> {
    await store.put(key, bytes(key), 'text/plain');
    const long = new Date(Date.now() - 2 * HOUR);
    await utimes(join(root, 'objects', key), long, long);
  }

  it('is deleted below the prefix only, and stays when it was put or touched since', async () => {
    for (const key of ['a/inputs/old', 'a/inputs/touched', 'a/inputs/put', 'a/jobs/old']) await putOld(key);
    await store.put('a/inputs/put', bytes('again'), 'text/plain');
    expect(await store.touch('a/inputs/touched')).toBe(true);
    expect(await store.deleteUnused('a/inputs/', HOUR)).toBe(1);
    expect((await store.list('a/')).toSorted()).toEqual(['a/inputs/put', 'a/inputs/touched', 'a/jobs/old']);
    expect(await store.deleteUnused('b/inputs/', HOUR)).toBe(0);
  });

  it('cannot be touched once it is gone', async () => {
    expect(await store.touch('a/inputs/gone')).toBe(false);
    await store.put('a/x', bytes('x'), 'text/plain');
    expect(await store.touch('a/x/y')).toBe(false);
  });
});

describe('a list', () => {
  it('names the objects below a prefix, at any depth, and no unfinished ones', async () => {
    const keys = ['a/jobs/1/1/0.png', 'a/jobs/1/job.json', 'a/jobs/10/1/0.png', 'b/jobs/1/job.json'];
    for (const key of keys) await store.put(key, bytes(key), 'text/plain');
    await writeFile(join(root, 'objects', 'a', 'jobs', '1', '.partial-x'), 'half');
    expect((await store.list('a/jobs/1/')).toSorted()).toEqual(['a/jobs/1/1/0.png', 'a/jobs/1/job.json']);
    expect(await store.list('a/jobs/2/')).toEqual([]);
    expect(await store.list('b/jobs/1/job.json/')).toEqual([]);
  });

  it('wants a prefix that ends in a slash', async () => {
    await expect(store.list('a/jobs/1')).rejects.toThrow(/end in '\/'/);
  });

  it('does not follow a link out of the folder', async () => {
    await writeFile(join(root, 'secret'), 'x');
    await store.put('a/x', bytes('x'), 'text/plain');
    await symlink(root, join(root, 'objects', 'a', 'out'));
    expect(await store.list('a/')).toEqual(['a/x']);
  });
});

describe('a key', () => {
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
  it.each(BAD)('%j is refused by every operation', async (key) => {
    await expect(store.put(key, bytes('x'), 'text/plain')).rejects.toThrow(/object key/);
    await expect(store.get(key)).rejects.toThrow(/object key/);
    await expect(store.delete(key)).rejects.toThrow(/object key/);
    await expect(store.getStart(key, 1)).rejects.toThrow(/object key/);
    await expect(store.touch(key)).rejects.toThrow(/object key/);
    await expect(store.list(`${key}/`)).rejects.toThrow(/object key/);
  });

  it('may hold dots and any letter', async () => {
    for (const key of ['a/..b/c..', 'ä/窯', 'a/...']) {
      await store.put(key, bytes(key), 'text/plain');
      expect(text(await store.get(key))).toBe(key);
    }
  });
});
