/** Files that people send, and files that are meant to do harm: made here, so that each byte is known. */
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/** Pixels in a gradient with some structure, RGB, `side` x `side`. */
export function pixels(side: number, channels: 1 | 3 | 4 = 3): Buffer {
  return Buffer.from(
    Uint8Array.from({ length: side * side * channels }, (_, i) => (i * 7 + Math.trunc(i / side) * 3) % 256),
  );
}

export function picture(side = 64, channels: 1 | 3 | 4 = 3): Sharp {
  return sharp(pixels(side, channels), { raw: { width: side, height: side, channels } });
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(4);
  frame.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([frame, body, check]);
}

interface PngShape {
  readonly width: number;
  readonly height: number;
  readonly depth?: 1 | 8 | 16;
  /** 0 grey, 2 RGB, 6 RGBA. */
  readonly colour?: 0 | 2 | 6;
  /** Chunks between the header and the data. */
  readonly extra?: readonly Buffer[];
  /** Filter byte and samples of every row; absent: as many zeros as the size wants, if that is little. */
  readonly rows?: Uint8Array;
}

/** A PNG of any size, also one that its data do not fill. */
export function png(shape: PngShape): Buffer {
  const { width, height, depth = 8, colour = 2, extra = [] } = shape;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, 0], 8);
  const samples = { 0: 1, 2: 3, 6: 4 }[colour];
  const rows = shape.rows ?? Buffer.alloc((1 + Math.ceil((width * samples * depth) / 8)) * height);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    ...extra,
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Rows of a 16-bit grey PNG without filter. */
export function grey16Rows(width: number, values: Uint16Array): Buffer {
  const height = values.length / width;
  const rows = Buffer.alloc((1 + width * 2) * height);
  values.forEach((value, i) => {
    const y = Math.trunc(i / width);
    rows.writeUInt16BE(value, y * (1 + width * 2) + 1 + (i % width) * 2);
  });
  return rows;
}

/** A compressed text or profile chunk that is small as sent and large once inflated. */
export function inflatingChunk(type: 'zTXt' | 'iCCP', bytes: number): Buffer {
  return chunk(type, Buffer.concat([Buffer.from('x\0\0', 'latin1'), deflateSync(Buffer.alloc(bytes))]));
}

/** Two frames of an APNG, as far as a reader has to look to see that it is one. */
export function animatedPng(): Buffer {
  const control = Buffer.alloc(8);
  control.writeUInt32BE(2, 0);
  return png({ width: 32, height: 32, extra: [chunk('acTL', control)] });
}

export function animatedWebp(): Promise<Buffer> {
  const frames = Buffer.concat([Buffer.alloc(64 * 64 * 3, 10), Buffer.alloc(64 * 64 * 3, 200)]);
  return sharp(frames, { raw: { width: 64, height: 128, channels: 3, pageHeight: 64 } })
    .webp({ delay: [100, 100] })
    .toBuffer();
}

/** Changes one byte. */
export function flipped(file: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(file);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}
