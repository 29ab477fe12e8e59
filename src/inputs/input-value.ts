/** What a job may say to name an image, told apart by how it is written. */
import type { InputId } from '../domain/job.ts';
import { LIMITS } from '../domain/limits.ts';
import { inputFault, type InputSource } from './input-fault.ts';

export type InputValue =
  | { readonly kind: 'upload'; readonly id: InputId }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'file'; readonly bytes: Uint8Array };

const UPLOAD_ID = /^up_[0-9a-f]{64}$/;
/** No base64 starts like these. */
const LOOKS_LIKE_UPLOAD = /^up_/;
const DATA_URL = /^data:[^,]{0,200};base64,/i;
const ADDRESS = /^[a-z][a-z0-9+.-]*:/i;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const HINT = 'send an upload id, an https URL, base64, or a data: URL with base64';

/** Throws a KilnError that names the field. */
export function parseInputValue(source: InputSource & { readonly value: string }): InputValue {
  const { value } = source;
  if (isUploadId(value)) return { kind: 'upload', id: value };
  if (LOOKS_LIKE_UPLOAD.test(value)) throw inputFault(source, `is no upload id: 'up_' and 64 digits 0-9a-f`);
  if (/^data:/i.test(value)) {
    const [head] = DATA_URL.exec(value) ?? [];
    if (head === undefined) throw inputFault(source, "is a data: URL without ';base64,'");
    return { kind: 'file', bytes: fromBase64(source, value.slice(head.length)) };
  }
  if (ADDRESS.test(value)) return { kind: 'address', address: value };
  return { kind: 'file', bytes: fromBase64(source, value) };
}

export function isUploadId(text: string): boolean {
  return UPLOAD_ID.test(text);
}

/** The length is looked at first: decoding takes memory. */
function fromBase64(source: InputSource, text: string): Uint8Array {
  const limit = LIMITS.inlineImageBytes;
  if (text.length > LIMITS.inlineImageChars) {
    throw inputFault(source, `has more than ${limit} bytes; upload it, and send its id`, { limit });
  }
  // Tools break base64 into lines.
  const solid = BASE64.test(text) ? text : text.replaceAll(/[\r\n]+/g, '');
  const digits = solid.replace(/=+$/, '').length;
  // Padding may be left out, but no byte has only 6 bits.
  if (digits === 0 || digits % 4 === 1 || !BASE64.test(solid))
    throw inputFault(source, `is no image; ${HINT}`);
  const bytes = Buffer.from(solid, 'base64');
  if (bytes.length > limit) throw inputFault(source, `has more than ${limit} bytes`, { limit });
  return bytes;
}
