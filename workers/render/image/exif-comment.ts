/**
 * A text as EXIF UserComment, for the formats without text chunks. Exif 2.32, 4.6.5; TIFF 6.0, section 2.
 *
 * The block is big-endian throughout: readers differ on whether a UNICODE comment follows the block's byte order or
 * is always UTF-16BE, and so both are right.
 */
const TAG_EXIF_IFD = 0x8769;
const TAG_USER_COMMENT = 0x9286;
const TYPE_LONG = 4;
const TYPE_UNDEFINED = 7;

const HEADER_BYTES = 8;
/** Entry count, one entry of 12 bytes, offset of the next directory. */
const IFD_BYTES = 2 + 12 + 4;

/** `MM*` header, a first directory that points to the Exif directory, that directory with its one comment. */
function exifBlock(text: string): Buffer {
  const comment = Buffer.concat([Buffer.from('UNICODE\0', 'latin1'), Buffer.from(text, 'utf16le').swap16()]);
  const exifIfdAt = HEADER_BYTES + IFD_BYTES;
  const commentAt = exifIfdAt + IFD_BYTES;
  const header = Buffer.from([0x4d, 0x4d, 0, 42, 0, 0, 0, HEADER_BYTES]);
  return Buffer.concat([
    header,
    directory({ tag: TAG_EXIF_IFD, type: TYPE_LONG, count: 1, value: exifIfdAt }),
    directory({ tag: TAG_USER_COMMENT, type: TYPE_UNDEFINED, count: comment.length, value: commentAt }),
    comment,
  ]);
}

function directory(entry: { tag: number; type: number; count: number; value: number }): Buffer {
  const bytes = Buffer.alloc(IFD_BYTES);
  bytes.writeUInt16BE(1, 0);
  bytes.writeUInt16BE(entry.tag, 2);
  bytes.writeUInt16BE(entry.type, 4);
  bytes.writeUInt32BE(entry.count, 6);
  bytes.writeUInt32BE(entry.value, 10);
  return bytes;
}

/** The segment's length is a 16-bit number that counts itself; longer texts stay out rather than be cut. */
const APP1_MAX_BYTES = 0xffff - 2;

/** The JPEG with an APP1 Exif segment directly after its start-of-image marker. */
export function withJpegComment(jpeg: Uint8Array, text: string): Uint8Array {
  const body = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), exifBlock(text)]);
  if (body.length > APP1_MAX_BYTES) return jpeg;
  const marker = Buffer.from([0xff, 0xe1, 0, 0]);
  marker.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), marker, body, jpeg.subarray(2)]);
}

const RIFF_HEADER_BYTES = 12;
const VP8X_EXIF_FLAG = 0x08;

/**
 * The WebP in the extended format (WebP container specification): VP8X, the image chunk as it was, EXIF.
 * Takes what Kiln encodes: one still image of known size without alpha, colour profile or other metadata.
 */
export function withWebpComment(
  webp: Uint8Array,
  text: string,
  size: { width: number; height: number },
): Uint8Array {
  const features = Buffer.alloc(10);
  features.writeUInt8(VP8X_EXIF_FLAG, 0);
  features.writeUIntLE(size.width - 1, 4, 3);
  features.writeUIntLE(size.height - 1, 7, 3);
  const chunks = Buffer.concat([
    riffChunk('VP8X', features),
    webp.subarray(RIFF_HEADER_BYTES),
    riffChunk('EXIF', exifBlock(text)),
  ]);
  const header = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1');
  header.writeUInt32LE(chunks.length + 4, 4);
  return Buffer.concat([header, chunks]);
}

/** Chunks are padded to an even length; the padding does not count. */
function riffChunk(type: string, body: Buffer): Buffer {
  const framed = Buffer.alloc(8 + body.length + (body.length % 2));
  framed.write(type, 'latin1');
  framed.writeUInt32LE(body.length, 4);
  body.copy(framed, 8);
  return framed;
}
