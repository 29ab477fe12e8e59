/** What a file is, told by its bytes: names and content types are what a caller says, not what it sends. */
export type ImageFormat = 'png' | 'jpeg' | 'webp';

interface Signature {
  readonly at: number;
  readonly bytes: string;
}

const ASCII = 'latin1';
const WEBP: readonly Signature[] = [
  { at: 0, bytes: 'RIFF' },
  { at: 8, bytes: 'WEBP' },
];
const PNG_SIGNATURE = '\x89PNG\r\n\x1a\n';

const FORMATS: ReadonlyArray<readonly [ImageFormat, readonly Signature[]]> = [
  ['png', [{ at: 0, bytes: PNG_SIGNATURE }]],
  ['jpeg', [{ at: 0, bytes: '\xff\xd8\xff' }]],
  ['webp', WEBP],
];

/** Others that people send by mistake: only named, never decoded. */
const FOREIGN: ReadonlyArray<readonly [string, Signature]> = [
  ['a GIF', { at: 0, bytes: 'GIF8' }],
  ['a TIFF', { at: 0, bytes: 'II*\0' }],
  ['a TIFF', { at: 0, bytes: 'MM\0*' }],
  ['a BMP', { at: 0, bytes: 'BM' }],
  ['an icon', { at: 0, bytes: '\0\0\x01\0' }],
  ['a PDF', { at: 0, bytes: '%PDF' }],
  ['a ZIP', { at: 0, bytes: 'PK\x03\x04' }],
  ['an AVIF or HEIC', { at: 4, bytes: 'ftyp' }],
  ['text, perhaps SVG or HTML', { at: 0, bytes: '<' }],
];

export function formatOf(bytes: Uint8Array): ImageFormat | undefined {
  return FORMATS.find(([, signatures]) => signatures.every((signature) => fits(bytes, signature)))?.[0];
}

/** What the file seems to be instead, in words. */
export function foreignFormat(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  return FOREIGN.find(([, signature]) => fits(bytes, signature))?.[0] ?? 'of an unknown format';
}

function fits(bytes: Uint8Array, { at, bytes: wanted }: Signature): boolean {
  return Buffer.from(bytes.subarray(at, at + wanted.length)).toString(ASCII) === wanted;
}
