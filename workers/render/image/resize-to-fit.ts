/** Resizes that keep the proportions, with the roundings of diffusers' image processor (its modes 'fill' and 'crop'). */
import { bytesOf, withBytes, type GreyImage, type RawImage, type Size } from './raw-image.ts';
import { resize } from './resize.ts';

/** The whole image in the middle of the size; its edges are drawn out over what is left. Lanczos. */
export function resizeFill(image: RawImage, size: Size): RawImage;
export function resizeFill(image: GreyImage, size: Size): GreyImage;
export function resizeFill(image: RawImage | GreyImage, size: Size): RawImage | GreyImage {
  const ratio = size.width / size.height;
  const own = image.width / image.height;
  const inner = ratio < own ? atWidth(image, size.width) : atHeight(image, size.height);
  const canvas = canvasOf(size, bytesOf(image).channels);
  paste(canvas, resized(image, inner));
  if (ratio < own) stretchRows(canvas, inner.height);
  else if (ratio > own) stretchColumns(canvas, inner.width);
  return withBytes(image, size, canvas.bytes);
}

/** The size filled by the middle of the image; what sticks out is lost. Lanczos. */
export function resizeCrop(image: RawImage, size: Size): RawImage {
  const wider = image.width / image.height >= size.width / size.height;
  const canvas = canvasOf(size, 3);
  paste(canvas, resized(image, wider ? atHeight(image, size.height) : atWidth(image, size.width)));
  return { width: size.width, height: size.height, rgb: canvas.bytes };
}

interface Canvas extends Size {
  readonly channels: number;
  readonly bytes: Uint8Array;
}

/** Black. */
function canvasOf({ width, height }: Size, channels: number): Canvas {
  return { width, height, channels, bytes: new Uint8Array(channels * width * height) };
}

function resized(image: RawImage | GreyImage, size: Size): Canvas {
  const fitted = 'grey' in image ? resize(image, size, 'lanczos') : resize(image, size, 'lanczos');
  return { ...size, ...bytesOf(fitted) };
}

/** At least 1: a line of pixels would vanish in a size of the other orientation. */
function atWidth(image: Size, width: number): Size {
  return { width, height: Math.max(Math.floor((image.height * width) / image.width), 1) };
}

function atHeight(image: Size, height: number): Size {
  return { width: Math.max(Math.floor((image.width * height) / image.height), 1), height };
}

/** Where the middle comes to lie: each half is rounded by itself, so an odd length lies half a pixel to the left. */
function offset(outer: number, inner: number): number {
  return Math.floor(outer / 2) - Math.floor(inner / 2);
}

/** In the middle, cut to the canvas. */
function paste(canvas: Canvas, image: Canvas): void {
  const { channels } = canvas;
  const left = offset(canvas.width, image.width);
  const top = offset(canvas.height, image.height);
  const from = Math.max(-left, 0);
  const to = Math.min(image.width, canvas.width - left);
  for (let y = Math.max(-top, 0); y < Math.min(image.height, canvas.height - top); y++) {
    const row = channels * image.width * y;
    const target = channels * (canvas.width * (y + top) + from + left);
    canvas.bytes.set(image.bytes.subarray(row + channels * from, row + channels * to), target);
  }
}

/** The rows above and below the `inner` rows in the middle. */
function stretchRows(canvas: Canvas, inner: number): void {
  const { channels, width, height, bytes } = canvas;
  const stride = channels * width;
  const top = offset(height, inner);
  const last = top + inner - 1;
  const below = Math.min(last + 1 + top, height);
  const second = Math.min(1, inner - 1);
  for (let i = 0; i < stride; i++) {
    const above = beyond(bytes[stride * top + i]!, bytes[stride * (top + second) + i]!);
    for (let y = 0; y < top; y++) bytes[stride * y + i] = above;
    const under = beyond(bytes[stride * last + i]!, bytes[stride * (last - second) + i]!);
    for (let y = last + 1; y < below; y++) bytes[stride * y + i] = under;
  }
}

/** The columns left and right of the `inner` columns in the middle. */
function stretchColumns(canvas: Canvas, inner: number): void {
  const { channels, width, height, bytes } = canvas;
  const left = offset(width, inner);
  const last = left + inner - 1;
  const end = Math.min(last + 1 + left, width);
  const second = Math.min(1, inner - 1);
  for (let i = 0; i < channels * height; i++) {
    const row = channels * width * Math.floor(i / channels) + (i % channels);
    const before = beyond(bytes[row + channels * left]!, bytes[row + channels * (left + second)]!);
    for (let x = 0; x < left; x++) bytes[row + channels * x] = before;
    const after = beyond(bytes[row + channels * last]!, bytes[row + channels * (last - second)]!);
    for (let x = last + 1; x < end; x++) bytes[row + channels * x] = after;
  }
}

/**
 * Pillow resizes an empty box at an edge by bicubic weights half a pixel out: 9/8 of the edge less 1/8 of the pixel
 * behind it, rounded; the same pixel twice stays as it is.
 */
function beyond(edge: number, behind: number): number {
  return Math.min(Math.max((9 * edge - behind + 4) >> 3, 0), 255);
}
