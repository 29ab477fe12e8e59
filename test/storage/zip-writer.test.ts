import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fromBufferPromise } from 'yauzl';
import { expect, test } from 'vitest';
import { ZipWriter } from '../../src/zip-writer.ts';

const AT = Date.UTC(2026, 10, 20, 12, 34, 56);

async function read(zip: Buffer): Promise<Map<string, string>> {
  const file = await fromBufferPromise(zip, { lazyEntries: true });
  const found = new Map<string, string>();
  for await (const entry of file.eachEntry()) {
    expect(entry.getLastModDate({ timezone: 'UTC' })).toEqual(new Date(AT));
    found.set(entry.fileName, (await buffer(await file.openReadStreamPromise(entry))).toString());
  }
  return found;
}

function written(write: (zip: ZipWriter) => AsyncGenerator<Uint8Array>): Promise<Buffer> {
  return buffer(Readable.from(write(new ZipWriter(AT)), { objectMode: false }));
}

test('a zip gives back what was put into it, files as they are and texts packed', async () => {
  const zip = await written(async function* (writer) {
    yield* writer.file('images/1-窯.png', Buffer.from('one'));
    yield* writer.file('images/empty.png', Buffer.alloc(0));
    yield* writer.text(
      'results.csv',
      Readable.from([Buffer.from('a,b\n'), Buffer.from('1,2\n'.repeat(1_000))]),
    );
    yield* writer.end();
  });
  expect(await read(zip)).toEqual(
    new Map([
      ['images/1-窯.png', 'one'],
      ['images/empty.png', ''],
      ['results.csv', `a,b\n${'1,2\n'.repeat(1_000)}`],
    ]),
  );
  expect(zip.length).toBeLessThan(1_000);
});

test('a zip of more files than 16 bits can count is read to its last', async () => {
  const count = 66_000;
  const zip = await written(async function* (writer) {
    for (let n = 0; n < count; n++) yield* writer.file(`${n}`, Buffer.from([n % 256]));
    yield* writer.end();
    await Promise.resolve();
  });
  const file = await fromBufferPromise(zip, { lazyEntries: true });
  expect(file.entryCount).toBe(count);
  let last = '';
  for await (const { fileName } of file.eachEntry()) last = fileName;
  expect(last).toBe(`${count - 1}`);
});

test('an empty zip is one', async () => {
  const zip = await written(async function* (writer) {
    yield* writer.end();
    await Promise.resolve();
  });
  expect((await read(zip)).size).toBe(0);
});

test('a text that fails ends the zip with its failure', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from('a,b\n'));
    throw new Error('the store is gone');
  }
  await expect(written((writer) => writer.text('results.csv', broken()))).rejects.toThrow(
    'the store is gone',
  );
});
