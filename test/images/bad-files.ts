/** Files that decoders have choked on, each with what must become of it. */
import { deflateSync } from 'node:zlib';
import { Random } from '../support/random.ts';
import { animatedPng, animatedWebp, chunk, flipped, inflatingChunk, picture, png } from './files.ts';

interface BadFile {
  readonly name: string;
  readonly file: () => Promise<Buffer> | Buffer;
  /** Of the refusal; null when the file is taken all the same, since only its pixels are. */
  readonly refusal: RegExp | null;
}

const MiB = 1024 * 1024;
const SMALL = { width: 32, height: 32 };
const DAMAGED = /^cannot be decoded: /;
const FOREIGN = /; send a PNG, JPEG or WebP image$/;

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const jpeg = (): Promise<Buffer> => picture().jpeg().toBuffer();
const webp = (): Promise<Buffer> => picture().webp({ lossless: true }).toBuffer();
const halved = (file: Buffer): Buffer => file.subarray(0, Math.trunc(file.length / 2));
/** One bit a pixel, so that the whole of it can be made here. */
const bomb = (side: number): Buffer => png({ width: side, height: side, depth: 1, colour: 0 });

/** A start-of-frame that claims 65,535 x 65,535 pixels. */
async function vastJpeg(): Promise<Buffer> {
  const file = await jpeg();
  file.fill(0xff, file.indexOf(Buffer.from([0xff, 0xc0])) + 5, file.indexOf(Buffer.from([0xff, 0xc0])) + 9);
  return file;
}

/** The header says more than the data have. */
function unfilled(width: number, height: number): Buffer {
  return png({ width, height, rows: Buffer.alloc(100) });
}

const TOO_LARGE: readonly BadFile[] = [
  { name: 'a bomb of 16384 x 16384', file: () => bomb(16_384), refusal: /16384 x 16384 .* at most 8192$/ },
  { name: 'a bomb of 30000 x 30000', file: () => unfilled(30_000, 30_000), refusal: /at most 8192$/ },
  { name: '8192 x 8192, each side allowed', file: () => bomb(8_192), refusal: /at most 16777216$/ },
  { name: '4096 x 4096, the most there can be', file: () => bomb(4_096), refusal: null },
  {
    name: 'a line of 1000000 x 1',
    file: () => png({ width: 1_000_000, height: 1 }),
    refusal: /at least 16$/,
  },
  { name: 'a band of 8192 x 512', file: () => unfilled(8_192, 512), refusal: /at most 8 times the other$/ },
  { name: 'a dot of 15 x 15', file: () => png({ width: 15, height: 15 }), refusal: /at least 16$/ },
  { name: 'a width of 0', file: () => unfilled(0, 32), refusal: DAMAGED },
  { name: 'the largest sides a PNG can name', file: () => unfilled(0x7fffffff, 0x7fffffff), refusal: /./ },
  { name: 'a JPEG that says 65535 x 65535', file: vastJpeg, refusal: /65500 pixels/ },
];

const OTHER_FORMATS: readonly BadFile[] = [
  { name: 'nothing', file: () => Buffer.alloc(0), refusal: /^is an empty file/ },
  { name: 'an SVG', file: () => ascii('<svg xmlns="http://www.w3.org/2000/svg"/>'), refusal: /SVG/ },
  { name: 'an SVG after white space', file: () => ascii('\n <svg width="9999999"/>'), refusal: FOREIGN },
  { name: 'a GIF', file: () => picture().gif().toBuffer(), refusal: /^is a GIF/ },
  { name: 'a TIFF', file: () => picture().tiff().toBuffer(), refusal: /^is a TIFF/ },
  { name: 'an AVIF', file: () => ascii('\0\0\0\x1cftypavif\0\0\0\0avifmif1'), refusal: /^is an AVIF/ },
  { name: 'a PDF', file: () => ascii('%PDF-1.7\n1 0 obj\n'), refusal: /^is a PDF/ },
  { name: 'a BMP', file: () => ascii('BM\x9a\0\0\0\0\0\0\0'), refusal: /^is a BMP/ },
  { name: 'an icon', file: () => ascii('\0\0\x01\0\x01\0\x10\x10'), refusal: /^is an icon/ },
  { name: 'a picture of libvips itself', file: () => ascii('\xb6\xa6\xf2\x08\0\0'), refusal: FOREIGN },
  { name: 'a program of ImageMagick', file: () => ascii('push graphic-context\n'), refusal: FOREIGN },
  { name: 'GIFAR: a GIF that is a JAR', file: () => ascii('GIF89a\x01\0\x01\0PK\x03\x04'), refusal: /GIF/ },
  { name: 'random bytes', file: () => noise(4_096), refusal: FOREIGN },
];

const DAMAGED_FILES: readonly BadFile[] = [
  { name: 'half a PNG', file: async () => halved(await picture().png().toBuffer()), refusal: DAMAGED },
  { name: 'half a JPEG', file: async () => halved(await jpeg()), refusal: DAMAGED },
  { name: 'half a WebP', file: async () => halved(await webp()), refusal: DAMAGED },
  { name: 'a PNG signature alone', file: () => png(SMALL).subarray(0, 8), refusal: DAMAGED },
  { name: 'the start of a JPEG', file: () => Buffer.from([0xff, 0xd8, 0xff]), refusal: DAMAGED },
  { name: 'the start of a WebP', file: () => ascii('RIFF\x10\0\0\0WEBP'), refusal: DAMAGED },
  { name: 'a wrong checksum of the header', file: () => flipped(png(SMALL), 30), refusal: DAMAGED },
  { name: 'a wrong checksum of the data', file: () => wrongDataChecksum(), refusal: DAMAGED },
  { name: 'data that are no deflate stream', file: () => withData(noise(300)), refusal: DAMAGED },
  {
    name: 'rows with an unknown filter',
    file: () => withData(deflateSync(Buffer.alloc(32 * 97, 9))),
    refusal: DAMAGED,
  },
  { name: 'a chunk longer than the file', file: () => flipped(png(SMALL), 33), refusal: DAMAGED },
  { name: 'a palette picture without palette', file: () => withColourType(3), refusal: DAMAGED },
  { name: 'a colour type that there is not', file: () => withColourType(5), refusal: DAMAGED },
  { name: 'a PNG signature before noise', file: () => signedNoise('\x89PNG\r\n\x1a\n'), refusal: DAMAGED },
  { name: 'a JPEG signature before noise', file: () => signedNoise('\xff\xd8\xff'), refusal: DAMAGED },
  {
    name: 'a WebP signature before noise',
    file: () => signedNoise('RIFF\0\x10\0\0WEBPVP8 '),
    refusal: DAMAGED,
  },
  { name: 'an APNG', file: animatedPng, refusal: /^is animated/ },
  { name: 'an animated WebP', file: animatedWebp, refusal: /^is animated/ },
];

const HARMLESS: readonly BadFile[] = [
  {
    name: 'a profile of 50 MB once inflated',
    file: () => withExtra(inflatingChunk('iCCP', 50 * MiB)),
    refusal: null,
  },
  {
    name: 'a text of 50 MB once inflated',
    file: () => withExtra(inflatingChunk('zTXt', 50 * MiB)),
    refusal: null,
  },
  { name: '100,000 text chunks', file: () => withExtra(manyTexts()), refusal: null },
  {
    name: 'a profile that is none',
    file: () => withExtra(chunk('iCCP', ascii('x\0\0not deflate'))),
    refusal: null,
  },
  { name: 'a ZIP of 5 MB behind the picture', file: () => trailed(png(SMALL), 5 * MiB), refusal: null },
  {
    name: 'a page of HTML in a comment',
    file: () => withExtra(chunk('tEXt', ascii('x\0<script>'))),
    refusal: null,
  },
  { name: 'a ZIP behind a JPEG', file: async () => trailed(await jpeg(), 1_000), refusal: null },
];

export const BAD_FILES: readonly BadFile[] = [...TOO_LARGE, ...OTHER_FORMATS, ...DAMAGED_FILES, ...HARMLESS];

/** The same on every machine. */
function noise(length: number): Buffer {
  const random = new Random(7);
  return Buffer.from(Array.from({ length }, () => random.int(0, 255)));
}

function signedNoise(signature: string): Buffer {
  return Buffer.concat([ascii(signature), noise(4_096)]);
}

function withExtra(extra: Buffer): Buffer {
  return png({ ...SMALL, extra: [extra] });
}

function manyTexts(): Buffer {
  return Buffer.concat(Array.from({ length: 100_000 }, (_, n) => chunk('tEXt', ascii(`k${n}\0v`))));
}

function trailed(file: Buffer, bytes: number): Buffer {
  return Buffer.concat([file, ascii('PK\x03\x04'), Buffer.alloc(bytes, 1)]);
}

function withData(data: Uint8Array): Buffer {
  const whole = png(SMALL);
  return Buffer.concat([whole.subarray(0, 33), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function withColourType(colour: number): Buffer {
  const header = Buffer.from([0, 0, 0, 32, 0, 0, 0, 32, 8, colour, 0, 0, 0]);
  const whole = png(SMALL);
  return Buffer.concat([whole.subarray(0, 8), chunk('IHDR', header), whole.subarray(33)]);
}

function wrongDataChecksum(): Buffer {
  const whole = png(SMALL);
  return flipped(whole, whole.indexOf('IEND') - 6);
}
