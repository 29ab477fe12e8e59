/**
 * A job's PNG from the object store -> pixels. It was decoded and written anew by the API, but the engine trusts
 * nothing it did not make: all reading is bounded in pixels and time, and only the PNG decoder is ever reached.
 */
import sharp, { type Sharp } from 'sharp';
import { luminance } from './luminance.ts';
import type { DepthValues, GreyImage, RawImage } from './raw-image.ts';

export type InputRole = 'image' | 'mask' | 'depth_map';

/** 4096 x 4096, or as many in another shape. */
const MAX_PIXELS = 16_777_216;

/** Far above what that many pixels take, even beside a busy denoiser. */
const TIMEOUT_SECONDS = 20;

/** The decoder is chosen by these bytes alone (PNG specification, 5.2), so no other decoder sees the file. */
const PNG_SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

// Each file is read once: libvips would keep the last hundred operations with their pixels.
sharp.cache(false);

/**
 * What the role needs: an image is flattened on white; a mask on black, then to its luminance; a depth map keeps the
 * values of 16-bit grey (0..65535), and is the luminance (0..255) of anything else, flattened on black.
 * Rejects, naming the role, when the bytes are no PNG, a broken one, or one of more than 16,777,216 pixels.
 */
export function readInput(png: Uint8Array, role: 'image'): Promise<RawImage>;
export function readInput(png: Uint8Array, role: 'mask'): Promise<GreyImage>;
export function readInput(png: Uint8Array, role: 'depth_map'): Promise<DepthValues>;
export async function readInput(
  png: Uint8Array,
  role: InputRole,
): Promise<RawImage | GreyImage | DepthValues> {
  try {
    if (PNG_SIGNATURE.some((byte, at) => png[at] !== byte)) throw new Error('it is not a PNG');
    const picture = sharp(png, {
      limitInputPixels: MAX_PIXELS,
      failOn: 'warning',
      sequentialRead: true,
      ignoreIcc: true,
    }).timeout({ seconds: TIMEOUT_SECONDS });
    return await READ[role](picture);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The job's ${role} cannot be read: ${reason}.`, { cause });
  }
}

const READ: Readonly<Record<InputRole, (picture: Sharp) => Promise<RawImage | GreyImage | DepthValues>>> = {
  image: (picture) => flattened(picture, '#ffffff'),
  mask: async (picture) => luminance(await flattened(picture, '#000000')),
  depth_map: readDepth,
};

async function flattened(picture: Sharp, background: string): Promise<RawImage> {
  const { data, info } = await picture
    .flatten({ background })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: data };
}

async function readDepth(picture: Sharp): Promise<DepthValues> {
  const { space } = await picture.metadata();
  if (space !== 'grey16') {
    const { width, height, grey } = luminance(await flattened(picture, '#000000'));
    return { width, height, values: Float32Array.from(grey) };
  }
  const { data, info } = await picture
    .flatten({ background: '#000000' })
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const samples = new Uint16Array(data.buffer, data.byteOffset, width * height);
  return { width, height, values: Float32Array.from(samples) };
}
