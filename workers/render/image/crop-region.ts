/**
 * Which part of an image to inpaint at the working size, so that a small mask gets all of the model's resolution.
 * The decision, roundings included, is that of diffusers' `padding_mask_crop`.
 */
import { bytesOf, withBytes, type Box, type GreyImage, type RawImage, type Size } from './raw-image.ts';

/** Half open: `from` is inside, `to` is not. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The pixels of the mask above 0, with `padding` pixels around them, widened or heightened towards the proportions of
 * `working`, and inside the mask. A mask of zeros alone repaints nothing; its region is the whole image.
 */
export function cropRegion(mask: GreyImage, working: Size, padding: number): Box {
  const rows = paddedSpan(mask.height, padding, (y) => rowIsBlank(mask, y));
  if (rows === null) return { left: 0, top: 0, width: mask.width, height: mask.height };
  const columns = paddedSpan(mask.width, padding, (x) => columnIsBlank(mask, x));
  if (columns === null) throw new Error('A mask with a painted row has a painted column.');
  const ratio = working.width / working.height;
  const [width, height] = [lengthOf(columns), lengthOf(rows)];
  if (width / height > ratio)
    return boxOf(columns, grown(rows, Math.trunc(width / ratio - height), mask.height));
  return boxOf(grown(columns, Math.trunc(height * ratio - width), mask.width), rows);
}

function boxOf(columns: Span, rows: Span): Box {
  return { left: columns.from, top: rows.from, width: lengthOf(columns), height: lengthOf(rows) };
}

function lengthOf({ from, to }: Span): number {
  return to - from;
}

/** Null when all is blank. */
function paddedSpan(length: number, padding: number, isBlank: (at: number) => boolean): Span | null {
  let from = 0;
  while (from < length && isBlank(from)) from++;
  if (from === length) return null;
  let to = length;
  while (isBlank(to - 1)) to--;
  return { from: Math.max(from - padding, 0), to: Math.min(to + padding, length) };
}

/** `more` pixels longer, half at each end, moved back inside `0..limit`, and shorter where even that does not fit. */
function grown({ from, to }: Span, more: number, limit: number): Span {
  const before = Math.floor(more / 2);
  const beyond = Math.max(to + more - before - limit, 0);
  const start = from - before - beyond;
  const end = to + more - before - beyond;
  return start < 0 ? { from: 0, to: Math.min(end - start, limit) } : { from: start, to: end };
}

function rowIsBlank({ width, grey }: GreyImage, y: number): boolean {
  for (let i = width * y; i < width * (y + 1); i++) if (grey[i] !== 0) return false;
  return true;
}

function columnIsBlank({ width, grey }: GreyImage, x: number): boolean {
  for (let i = x; i < grey.length; i += width) if (grey[i] !== 0) return false;
  return true;
}

/** The pixels of the box, which lies inside the image. */
export function cropTo(image: RawImage, box: Box): RawImage;
export function cropTo(image: GreyImage, box: Box): GreyImage;
export function cropTo(image: RawImage | GreyImage, box: Box): RawImage | GreyImage {
  const { bytes, channels } = bytesOf(image);
  const cropped = new Uint8Array(channels * box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = channels * (image.width * (box.top + y) + box.left);
    cropped.set(bytes.subarray(from, from + channels * box.width), channels * box.width * y);
  }
  return withBytes(image, box, cropped);
}
