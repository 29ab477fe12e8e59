/** A text chunk in a PNG, where viewers look for generation settings. PNG specification (third edition), 11.3.3. */
import { crc32 } from 'node:zlib';

const SIGNATURE_BYTES = 8;
/** Length, type, 13 bytes of header, CRC: IHDR always comes first and always has this size. */
const IHDR_BYTES = 4 + 4 + 13 + 4;

/** The PNG with `keyword: text` after its header. The keyword is 1 to 79 Latin-1 characters. */
export function withPngText(png: Uint8Array, keyword: string, text: string): Uint8Array {
  const head = png.subarray(0, SIGNATURE_BYTES + IHDR_BYTES);
  return Buffer.concat([head, textChunk(keyword, text), png.subarray(head.length)]);
}

/** tEXt holds Latin-1 only and every reader knows it; anything else needs iTXt, which is UTF-8. */
function textChunk(keyword: string, text: string): Buffer {
  const key = Buffer.from(`${keyword}\0`, 'latin1');
  if (isLatin1(text)) return chunk('tEXt', Buffer.concat([key, Buffer.from(text, 'latin1')]));
  // Compression flag and method, then an empty language tag and an empty translated keyword.
  const plain = Buffer.from([0, 0, 0, 0]);
  return chunk('iTXt', Buffer.concat([key, plain, Buffer.from(text, 'utf8')]));
}

function isLatin1(text: string): boolean {
  return Buffer.from(text, 'latin1').toString('latin1') === text;
}

function chunk(type: string, body: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const framed = Buffer.alloc(4 + typed.length + 4);
  framed.writeUInt32BE(body.length, 0);
  typed.copy(framed, 4);
  framed.writeUInt32BE(crc32(typed), 4 + typed.length);
  return framed;
}
