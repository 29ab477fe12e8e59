/**
 * A zip that is written as it is sent: what stays in memory is the central directory, some 80 bytes a file. Libraries
 * keep an object for each file, and search them all for the next one: a million images are too many for that.
 *
 * The layout is that of APPNOTE.TXT 6.3.10; numbers in comments are its sections.
 */
import { Buffer } from 'node:buffer';
import { crc32, createDeflateRaw } from 'node:zlib';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const STORED = 0;
const DEFLATED = 8;
/** Names are UTF-8 (bit 11). */
const UTF8_NAME = 0x0800;
/** Size and checksum follow the bytes (bit 3). */
const SIZE_FOLLOWS = 0x0008;
const MAX_32 = 0xffff_ffff;
const MAX_16 = 0xffff;
const VERSION = 20;
const VERSION_64 = 45;
/** Made on Unix, where everybody may read the file: upper half of the external attributes. */
const MADE_BY = (3 << 8) | VERSION_64;
const MODE = 0o100_644 * 0x1_0000;
const SLAB_BYTES = 1_024 * 1_024;

interface Entry {
  readonly name: Buffer;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly packed: number;
  readonly bytes: number;
  readonly offset: number;
}

export class ZipWriter {
  readonly #time: number;
  readonly #date: number;
  readonly #directory = new Slabs();
  #entries = 0;
  #offset = 0;

  /** `at`: when its files were made, in ms since the epoch. */
  constructor(at: number) {
    const time = new Date(at);
    // 4.4.6: MS-DOS, in steps of two seconds, from 1980 on.
    this.#time = (time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1);
    const year = Math.max(0, time.getUTCFullYear() - 1980);
    this.#date = (year << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate();
  }

  /** A file as it is: images do not get smaller. */
  *file(path: string, bytes: Uint8Array): Generator<Uint8Array> {
    const entry: Entry = {
      name: Buffer.from(path),
      method: STORED,
      flags: UTF8_NAME,
      crc: crc32(bytes),
      packed: bytes.length,
      bytes: bytes.length,
      offset: this.#offset,
    };
    yield this.#sent(this.#localHeader(entry));
    yield this.#sent(bytes);
    this.#note(entry);
  }

  /** A text that becomes smaller, and whose size shows at its end; less than 4 GiB. */
  async *text(path: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const start = {
      name: Buffer.from(path),
      method: DEFLATED,
      flags: UTF8_NAME | SIZE_FOLLOWS,
      offset: this.#offset,
    };
    yield this.#sent(this.#localHeader({ ...start, crc: 0, packed: 0, bytes: 0 }));
    let [crc, bytes, packed] = [0, 0, 0];
    async function* measured(): AsyncGenerator<Uint8Array> {
      for await (const piece of pieces) {
        crc = crc32(piece, crc);
        bytes += piece.length;
        yield piece;
      }
    }
    const deflated = createDeflateRaw();
    // Its failure is met below, where the stream is read.
    pipeline(Readable.from(measured(), { objectMode: false }), deflated).catch(() => undefined);
    for await (const piece of deflated) {
      if (!(piece instanceof Uint8Array)) throw new TypeError('a stream of bytes gives bytes');
      packed += piece.length;
      yield this.#sent(piece);
    }
    // 4.3.9: data descriptor.
    yield this.#sent(numbers([4, 0x0807_4b50], [4, crc], [4, packed], [4, bytes]));
    this.#note({ ...start, crc, packed, bytes });
  }

  /** What ends the zip, once every file is in it. */
  *end(): Generator<Uint8Array> {
    const start = this.#offset;
    for (const slab of this.#directory.all) yield this.#sent(slab);
    const size = this.#offset - start;
    if (this.#entries >= MAX_16 || size >= MAX_32 || start >= MAX_32) yield this.#end64(start, size);
    const entries = Math.min(this.#entries, MAX_16);
    // 4.3.16: end of the central directory.
    yield numbers(
      [4, 0x0605_4b50],
      [4, 0],
      [2, entries],
      [2, entries],
      [4, Math.min(size, MAX_32)],
      [4, Math.min(start, MAX_32)],
      [2, 0],
    );
  }

  #sent(bytes: Uint8Array): Uint8Array {
    this.#offset += bytes.length;
    return bytes;
  }

  /** 4.3.7. */
  #localHeader({ name, method, flags, crc, packed, bytes }: Entry): Buffer {
    const fixed = numbers(
      [4, 0x0403_4b50],
      [2, VERSION],
      [2, flags],
      [2, method],
      [2, this.#time],
      [2, this.#date],
      [4, crc],
      [4, packed],
      [4, bytes],
      [2, name.length],
      [2, 0],
    );
    return Buffer.concat([fixed, name]);
  }

  /** 4.3.12: the file in the central directory. */
  #note({ name, method, flags, crc, packed, bytes, offset }: Entry): void {
    const isFar = offset >= MAX_32;
    this.#entries++;
    this.#directory.add(
      numbers(
        [4, 0x0201_4b50],
        [2, MADE_BY],
        [2, isFar ? VERSION_64 : VERSION],
        [2, flags],
        [2, method],
        [2, this.#time],
        [2, this.#date],
        [4, crc],
        [4, packed],
        [4, bytes],
        [2, name.length],
        [2, isFar ? 12 : 0],
        [2, 0],
        [2, 0],
        [2, 0],
        [4, MODE],
        [4, Math.min(offset, MAX_32)],
      ),
    );
    this.#directory.add(name);
    // 4.5.3: what does not fit into 32 bits.
    if (isFar) this.#directory.add(numbers([2, 1], [2, 8], [8, offset]));
  }

  /** 4.3.14 and 4.3.15: the end of a large zip, and where it is. */
  #end64(start: number, size: number): Buffer {
    return numbers(
      [4, 0x0606_4b50],
      [8, 44],
      [2, MADE_BY],
      [2, VERSION_64],
      [4, 0],
      [4, 0],
      [8, this.#entries],
      [8, this.#entries],
      [8, size],
      [8, start],
      [4, 0x0706_4b50],
      [4, 0],
      [8, start + size],
      [4, 1],
    );
  }
}

/** Bytes that are only ever added to, without an object for each addition. */
class Slabs {
  readonly #full: Buffer[] = [];
  #open = Buffer.alloc(SLAB_BYTES);
  #used = 0;

  add(bytes: Uint8Array): void {
    if (this.#used + bytes.length > SLAB_BYTES) {
      this.#full.push(this.#open.subarray(0, this.#used));
      this.#open = Buffer.alloc(SLAB_BYTES);
      this.#used = 0;
    }
    this.#open.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  get all(): Buffer[] {
    return [...this.#full, this.#open.subarray(0, this.#used)];
  }
}

/** Numbers of so many bytes each, least significant byte first. */
function numbers(...fields: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  const buffer = Buffer.alloc(fields.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value), at);
    else buffer.writeUIntLE(value, at, bytes);
    at += bytes;
  }
  return buffer;
}
