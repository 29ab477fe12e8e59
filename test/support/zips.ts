import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** A zip of these files, by their names in it. */
export function zipOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name);
  zip.end();
  return buffer(zip.outputStream);
}

/** The same bytes with one text in place of another of the same length, in all its places. */
export function forged(bytes: Buffer, text: string, other: string): Buffer {
  if (Buffer.byteLength(text) !== Buffer.byteLength(other)) throw new Error('lengths must be the same');
  return Buffer.from(bytes.toString('latin1').replaceAll(text, other), 'latin1');
}
