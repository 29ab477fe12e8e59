/**
 * A file as sent -> the one form that images have in Kiln: a PNG, turned as its EXIF says, in sRGB, 8 bit RGB or RGBA,
 * or 16 bit grey when the file was that (a depth map), with nothing but pixels in it.
 *
 * libvips decodes; it can read much more than is let through here, by code that has had its share of holes.
 */
import sharp, { type Metadata, type PngOptions, type Sharp, type SharpOptions } from 'sharp';
import { INPUT_LIMITS, inputSizeFault } from '../../domain/input-limits.ts';
import { isAnimatedPng, withoutAncillaryChunks } from '../png-chunks.ts';
import { RefusedImageError } from '../refused-image-error.ts';
import { foreignFormat, formatOf } from './file-format.ts';

const TAKEN = 'PNG, JPEG or WebP';
const DETAIL_CHARS = 120;

sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'],
});
// Each image comes once, and several children share the cores.
sharp.cache(false);
sharp.concurrency(1);

/** No limit of pixels: only the header is read, and the limits that follow explain themselves. */
const HEADER: SharpOptions = { failOn: 'warning', limitInputPixels: false };
const WHOLE: SharpOptions = {
  failOn: 'warning',
  limitInputPixels: INPUT_LIMITS.pixelsMax,
  sequentialRead: true,
};

/**
 * Inputs are written once and read a few times. Measured on 4096 x 4096 pixels: one photograph takes 1.6 s for 26 MB;
 * with row filters and level 4 it takes 2.0 s for 17 MB, and an empty picture 0.8 s instead of 0.06 s.
 */
const PNG: PngOptions = { compressionLevel: 2, adaptiveFiltering: false, palette: false };

export interface CanonicalImage {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The same file gives the same bytes. Throws RefusedImageError for what is no image that Kiln takes. */
export async function canonicalPng(file: Uint8Array): Promise<CanonicalImage> {
  const format = formatOf(file);
  if (format === undefined) {
    throw new RefusedImageError(`is ${foreignFormat(file)}; send a ${TAKEN} image`, TAKEN);
  }
  const header = await readable(sharp(file, HEADER).metadata());
  const fault = inputSizeFault(header.width, header.height);
  if (fault !== undefined) throw new RefusedImageError(fault.message, fault.limit);
  if ((header.pages ?? 1) > 1 || (format === 'png' && isAnimatedPng(file))) {
    throw new RefusedImageError('is animated; send a single image', 1);
  }
  const image = inOurColours(sharp(file, WHOLE).autoOrient(), header).png(PNG);
  const { data, info } = await readable(image.toBuffer({ resolveWithObject: true }));
  return { png: withoutAncillaryChunks(data), width: info.width, height: info.height };
}

function inOurColours(image: Sharp, header: Metadata): Sharp {
  if (isGrey16(header)) return image.toColourspace('grey16');
  const converted = image.toColourspace('srgb');
  // libvips works on 16-bit colours in P3, and comes back to sRGB only when told to.
  const isWide = header.space === 'rgb16' && header.hasProfile;
  return isWide ? converted.withIccProfile('srgb', { attach: false }) : converted;
}

/** One channel of 16 bit: a measurement rather than a picture, and 8 bit would cut it into 256 terraces. */
function isGrey16({ space, channels }: Metadata): boolean {
  return space === 'grey16' && channels === 1;
}

async function readable<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    throw new RefusedImageError(`cannot be decoded: ${detailOf(error)}`, TAKEN, { cause: error });
  }
}

/** The first line of what libvips says, in printable characters. */
function detailOf(error: unknown): string {
  const [line = ''] = error instanceof Error ? error.message.split('\n') : [];
  return line.replaceAll(/[^ -~]/g, '?').slice(0, DETAIL_CHARS);
}
