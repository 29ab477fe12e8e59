import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openArchive, type Archive } from '../../src/bulk-file/archive.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { forged, zipOf } from '../support/zips.ts';
import { check, refusal } from './collecting-host.ts';

async function archiveOf(zip: Uint8Array): Promise<Archive> {
  const path = join(await temporaryFolder(), 'upload.zip');
  await writeFile(path, zip);
  const file = await open(path);
  onTestFinished(() => file.close());
  return openArchive(file.fd);
}

async function refused(zip: Uint8Array): Promise<string> {
  return (await refusal(archiveOf(zip))).message;
}

const TABLE = 'prompt\na\n';

describe('a zip', () => {
  test('has one table, whatever is beside it', async () => {
    const archive = await archiveOf(
      await zipOf({
        'my bulk/prompts.csv': TABLE,
        'my bulk/a.png': 'A',
        '__MACOSX/my bulk/._prompts.csv': 'x',
        'my bulk/.DS_Store': 'x',
      }),
    );
    expect(archive.format).toBe('csv');
    expect(await text(Readable.from(archive.table))).toBe(TABLE);
  });

  test('may have a table in JSON Lines', async () => {
    expect((await archiveOf(await zipOf({ 'rows.JSONL': '{}' }))).format).toBe('jsonl');
  });

  test('gives images by their place beside the table, or from its top, however they are spelt', async () => {
    const decomposed = 'Kätzchen.png'.normalize('NFD');
    const { images } = await archiveOf(
      await zipOf({
        'in/prompts.csv': TABLE,
        'in/a.png': 'A',
        'in/sub/b.png': 'B',
        [`in/${decomposed}`]: 'C',
        'a.png': 'D',
      }),
    );
    const read = async (name: string): Promise<string | undefined> => {
      const bytes = await images.read(name);
      return bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : undefined;
    };
    expect(await read('a.png')).toBe('A');
    expect(await read('./a.png')).toBe('A');
    expect(await read('sub\\b.png')).toBe('B');
    expect(await read('in/a.png')).toBe('A');
    expect(await read('Kätzchen.png')).toBe('C');
    expect(await read('A.png')).toBeUndefined();
    expect(await read('../a.png')).toBeUndefined();
  });

  test('is checked with its images, each decoded once', async () => {
    const rows = 'img2img,a,cat.png\nimg2img,b,cat.png\nimg2img,c,dog.png\nimg2img,d,cow.png\n';
    const zip = await zipOf({
      'prompts.csv': `kind,prompt,image\n${rows}`,
      'cat.png': 'CAT',
      'dog.png': 'DOG',
    });
    const { table, images } = await archiveOf(zip);
    const { host, report } = await check(table, {}, { files: images });
    expect(host.taken.map((file) => Buffer.from(file).toString())).toEqual(['CAT', 'DOG']);
    expect(report.accepted).toBe(3);
    expect(report.faults).toMatchObject([
      { line: 5, field: 'image', value: 'cow.png', message: 'is no file in the zip' },
    ]);
  });
});

describe('a zip is refused', () => {
  test('without a table, or with two', async () => {
    expect(await refused(await zipOf({ 'a.png': 'A' }))).toMatch(/without a table/);
    expect(await refused(await zipOf({ 'a.csv': TABLE, 'b/c.csv': TABLE }))).toMatch(/2 tables/);
  });

  test('that is a workbook', async () => {
    const zip = await zipOf({ '[Content_Types].xml': '<x/>', 'xl/workbook.xml': '<x/>' });
    expect(await refused(zip)).toMatch(/Excel workbook: save the sheet as CSV/);
  });

  test('with names that lead out of it', async () => {
    const zip = await zipOf({ 'prompts.csv': TABLE, 'xx/a.png': 'A' });
    expect(await refused(forged(zip, 'xx/a.png', '../a.png'))).toMatch(
      /no zip that can be read.*relative path/,
    );
    expect(await refused(forged(zip, 'xx/a.png', '/x/a.png'))).toMatch(
      /no zip that can be read.*absolute path/,
    );
  });

  test('with two files of one name', async () => {
    const zip = await zipOf({ 'prompts.csv': TABLE, 'a.png': 'A', 'b.png': 'B' });
    expect(await refused(forged(zip, 'b.png', 'a.png'))).toMatch(/two files of one name/);
  });

  test('that is cut off, or only looks like one', async () => {
    const zip = await zipOf({ 'prompts.csv': TABLE });
    expect(await refused(zip.subarray(0, zip.length - 30))).toMatch(/no zip that can be read/);
    expect(await refused(Buffer.from('PK\x03\x04 and then nothing of the kind'))).toMatch(
      /no zip that can be read/,
    );
  });

  test('for the image only, when an image is not what it says', async () => {
    const zip = await zipOf({ 'prompts.csv': TABLE, 'a.png': 'A'.repeat(100) });
    // The uncompressed size of the last entry, in the central directory.
    const entry = zip.lastIndexOf('a.png') - 46;
    const large = Buffer.from(zip);
    large.writeUInt32LE(40_000_000, entry + 24);
    const { images } = await archiveOf(large);
    expect(await images.read('a.png')).toMatchObject({ message: 'has more than 33554432 bytes' });
    const less = Buffer.from(zip);
    less.writeUInt32LE(10, entry + 24);
    expect(await (await archiveOf(less)).images.read('a.png')).toMatchObject({
      message: /cannot be unpacked/,
    });
  });
});
