import { describe, expect, test } from 'vitest';
import { utf8Text, type Encoding } from '../../src/bulk-file/encoding.ts';
import { inPieces, refusal } from './collecting-host.ts';

const TEXT = 'prompt,seed\n"ein Kätzchen, 窯 und 👩‍🚀",1\n';

async function read(bytes: Uint8Array, asked?: Encoding, pieceSize?: number): Promise<string> {
  let text = '';
  for await (const piece of utf8Text(inPieces(bytes, pieceSize), asked)) text += piece.toString();
  return text;
}

function utf16be(text: string): Buffer {
  return Buffer.from(text, 'utf16le').swap16();
}

describe('a text', () => {
  const MARKED: [string, Buffer][] = [
    ['UTF-8', Buffer.from(`\ufeff${TEXT}`)],
    ['UTF-16, least byte first', Buffer.from(`\ufeff${TEXT}`, 'utf16le')],
    ['UTF-16, greatest byte first', utf16be(`\ufeff${TEXT}`)],
  ];
  test.each(MARKED)('with a mark is read as %s, without the mark', async (_name, bytes) => {
    expect(await read(bytes)).toBe(TEXT);
    // A mark says more than the caller.
    expect(await read(bytes, 'windows-1252')).toBe(TEXT);
  });

  test('is the same however it is cut into pieces', async () => {
    for (const [, bytes] of [...MARKED, ['plain', Buffer.from(TEXT)] as const]) {
      for (const size of [1, 2, 3, 5, 7]) expect(await read(bytes, undefined, size)).toBe(TEXT);
    }
  });

  test('without a mark is what the caller says', async () => {
    expect(await read(Buffer.from(TEXT, 'utf16le'), 'utf-16le')).toBe(TEXT);
    expect(await read(utf16be(TEXT), 'utf-16be')).toBe(TEXT);
    expect(await read(Buffer.from('caf\xe9 \x80', 'latin1'), 'windows-1252')).toBe('café €');
  });
});

describe('what is no text is refused', () => {
  test.each([
    ['\xe9 in the third line', Buffer.from('a\nb\r\nc\xe9\nd', 'latin1'), /UTF-8.*windows-1252.*line 3/i],
    ['a character cut off at the end', Buffer.from('a\nb\xe2\x82', 'latin1'), /line 2/],
    ['NUL', Buffer.from('a,b\n1,\0\n'), /NUL \(line 2\)/],
    ['UTF-16 without a mark', Buffer.from('prompt\n', 'utf16le'), /UTF-16 without a byte order mark/],
    ['half a surrogate pair', Buffer.from('\ufeffa\ud83d,b', 'utf16le'), /utf-16le/],
    [
      'an odd byte at the end',
      Buffer.concat([Buffer.from('\ufeffab', 'utf16le'), Buffer.from([65])]),
      /utf-16le/,
    ],
    ['a zip', Buffer.from('PK\x03\x04rest of it'), /zip archive or an Excel workbook/],
    [
      'an old workbook',
      Buffer.from('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'latin1'),
      /Excel workbook of the old kind/,
    ],
    ['gzip', Buffer.from('\x1f\x8b\x08 and more', 'latin1'), /gzip/],
    ['a PDF', Buffer.from('%PDF-1.7 and more'), /PDF/],
    ['an image', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), /PNG/],
  ])('%s', async (_name, bytes, message) => {
    for (const size of [1, 4, 100]) {
      const error = await refusal(read(bytes, undefined, size));
      expect(error.message).toMatch(message);
      expect(error.faults).toMatchObject([{ field: 'file' }]);
    }
  });
});
