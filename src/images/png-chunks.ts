/** The layout of PNG files (PNG specification, third edition, section 5.3): length, type, data, CRC. */
const SIGNATURE_BYTES = 8;
/** Length and type before the data of a chunk, CRC after them. */
const HEAD_BYTES = 8;
const CRC_BYTES = 4;

/** Up to and including the size in IHDR, which is always the first chunk. */
export const PNG_SIZE_BYTES = SIGNATURE_BYTES + HEAD_BYTES + 8;

interface Chunk {
  readonly type: string;
  /** The whole chunk, from its length to its CRC. */
  readonly bytes: Uint8Array;
}

/** The chunks of a file that starts as a PNG does. Ends at the first one that is cut off. */
function* chunksOf(png: Uint8Array): Generator<Chunk> {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = SIGNATURE_BYTES; at + HEAD_BYTES + CRC_BYTES <= png.length;) {
    const end = at + HEAD_BYTES + view.getUint32(at) + CRC_BYTES;
    if (end > png.length) return;
    yield {
      type: Buffer.from(png.subarray(at + 4, at + HEAD_BYTES)).toString('latin1'),
      bytes: png.subarray(at, end),
    };
    at = end;
  }
}

/** True of an APNG: its animation control comes before the first image data. */
export function isAnimatedPng(png: Uint8Array): boolean {
  for (const { type } of chunksOf(png)) {
    if (type === 'acTL') return true;
    if (type === 'IDAT') return false;
  }
  return false;
}

/** The same pixels without anything about them, such as density or time: only critical chunks are kept. */
export function withoutAncillaryChunks(png: Uint8Array): Uint8Array {
  const kept = [...chunksOf(png)].filter(({ type }) => isCritical(type)).map(({ bytes }) => bytes);
  return Buffer.concat([png.subarray(0, SIGNATURE_BYTES), ...kept]);
}

/** Width and height from the first `PNG_SIZE_BYTES` of a PNG that Kiln made itself. Throws when there are fewer. */
export function pngSize(start: Uint8Array): { readonly width: number; readonly height: number } {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const at = SIGNATURE_BYTES + HEAD_BYTES;
  return { width: view.getUint32(at), height: view.getUint32(at + 4) };
}

/** Section 5.4: the case of the first letter says it. */
function isCritical(type: string): boolean {
  const [first = ''] = type;
  return first >= 'A' && first <= 'Z';
}
