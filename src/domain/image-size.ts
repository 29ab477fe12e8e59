/** Sizes of the images that jobs make out of others. */
import { KilnError } from './errors.ts';
import { LIMITS } from './limits.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

const UPSCALE_FACTOR = 4;
/** The f4 VAE of the upscaler and its UNet: as in diffusers, pixels beyond the last whole cell are cut off. */
const UPSCALE_CELL = 4;

/**
 * The size to render at when the request gives none or half of it: that of the image, scaled into the limits with its
 * shape kept, cut down to whole cells. A shape more extreme than the limits allow is bent to fit.
 */
export function sizeLike(
  image: Size,
  asked: { width?: number | undefined; height?: number | undefined },
): Size {
  const scale = scaleOf(image, asked);
  return {
    width: asked.width ?? sideWithin(image.width * scale),
    height: asked.height ?? sideWithin(image.height * scale),
  };
}

function scaleOf(image: Size, asked: { width?: number | undefined; height?: number | undefined }): number {
  if (asked.width !== undefined) return asked.width / image.width;
  if (asked.height !== undefined) return asked.height / image.height;
  const [short, long] = [Math.min(image.width, image.height), Math.max(image.width, image.height)];
  if (long > LIMITS.sideMax) return LIMITS.sideMax / long;
  return Math.max(1, LIMITS.sideMin / short);
}

function sideWithin(side: number): number {
  // A product such as 1500 * (1024 / 1500) may miss a whole number by the last bit.
  const cells = Math.floor(Math.round(side) / LIMITS.sideMultiple);
  return Math.min(Math.max(cells * LIMITS.sideMultiple, LIMITS.sideMin), LIMITS.sideMax);
}

/** The size of the enlarged image. Throws `invalid_request` for an image too small or too large to enlarge. */
export function upscaledSize(image: Size): Size {
  const { upscaleSideMin: min, upscaleSideMax: max } = LIMITS;
  if (Math.min(image.width, image.height) < min || Math.max(image.width, image.height) > max) {
    const value = `${image.width}x${image.height}`;
    const message = `has ${value} pixels; to be enlarged its sides must have ${min} to ${max}`;
    const faults = [{ field: 'image', value, limit: `${min}x${min} to ${max}x${max}`, message }];
    throw new KilnError('invalid_request', 'The image cannot be enlarged', { faults });
  }
  return { width: upscaledSide(image.width), height: upscaledSide(image.height) };
}

function upscaledSide(side: number): number {
  return (side - (side % UPSCALE_CELL)) * UPSCALE_FACTOR;
}
