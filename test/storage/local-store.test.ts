import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalStore } from '../../src/storage/local-store.ts';
import { StoreError } from '../../src/storage/store-error.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { bytes, describeStore } from './store-contract.ts';

const HOUR = 3_600_000;

describeStore('a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'kiln-store-'));
  return {
    store: new LocalStore(root),
    async growOld(keys) {
      const long = new Date(Date.now() - 2 * HOUR);
      await Promise.all(keys.map((key) => utimes(join(root, key), long, long)));
      return HOUR;
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
});

describe('a folder of objects', () => {
  let root: string;
  let store: LocalStore;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'kiln-store-'));
    store = new LocalStore(join(root, 'objects'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('has no trace of an object that could not be written, and the error names it', async () => {
    await store.put('t/file', bytes('x'), 'text/plain');
    await expect(store.put('t/file/below', bytes('y'), 'text/plain')).rejects.toThrow(/t\/file\/below/);
    await store.put('t/folder/object', bytes('x'), 'text/plain');
    const failure = store.put('t/folder', bytes('y'), 'text/plain');
    await expect(failure).rejects.toBeInstanceOf(StoreError);
    await expect(failure).rejects.toMatchObject({ key: 't/folder' });
    expect((await store.list('t/')).toSorted()).toEqual(['t/file', 't/folder/object']);
    expect((await readdir(join(root, 'objects', 't'))).toSorted()).toEqual(['file', 'folder']);
  });

  it('is not left by half of an object that many wrote at once', async () => {
    await Promise.all(
      ['a', 'b', 'c'].map((letter) => store.put('t/x', bytes(letter.repeat(200_000)), 'text/plain')),
    );
    expect(await readdir(join(root, 'objects', 't'))).toEqual(['x']);
  });

  it('does not list what is still being written', async () => {
    await store.put('a/jobs/1/job.json', bytes('{}'), 'application/json');
    await writeFile(join(root, 'objects', 'a', 'jobs', '1', '.partial-x'), 'half');
    expect(await store.list('a/jobs/1/')).toEqual(['a/jobs/1/job.json']);
  });

  it('is not left by a link out of it', async () => {
    await writeFile(join(root, 'secret'), 'x');
    await store.put('a/x', bytes('x'), 'text/plain');
    await symlink(root, join(root, 'objects', 'a', 'out'));
    expect(await store.list('a/')).toEqual(['a/x']);
  });

  it('has no addresses of its own for objects', async () => {
    const local = new LocalStore(await temporaryFolder());
    await local.put('a/x', bytes('x'), 'text/plain');
    expect(await local.signLink()).toBeUndefined();
  });
});
