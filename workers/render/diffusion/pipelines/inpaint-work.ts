/** Which pixels inpainting works on, and how its result becomes the image. */
import { cropRegion, cropTo } from '../../image/crop-region.ts';
import { applyOverlay } from '../../image/overlay.ts';
import type { GreyImage, RawImage, Size } from '../../image/raw-image.ts';
import { resize } from '../../image/resize.ts';
import { resizeFill } from '../../image/resize-to-fit.ts';
import type { InpaintRequest } from '../sample-request.ts';
import { Kept } from './kept.ts';
import type { Start } from './preparation.ts';

/** From this grey value on a pixel is repainted, half of white or more. */
const LEAST_MASKED = 128;

export interface InpaintWork {
  /** Of the request's size. */
  readonly image: RawImage;
  /** `[height, width]`: 1 is repainted, 0 is not. */
  readonly mask: Uint8Array;
  readonly finish: Start['finish'];
}

const WORKS = new Kept<InpaintWork>();

/** The same object for all images of a job, so that what follows from it can be kept. */
export function inpaintWork(request: InpaintRequest): Promise<InpaintWork> {
  const { image, mask, width, height, overlay, cropPadding } = request;
  return WORKS.get([image, mask], `${width}x${height}:${overlay}:${cropPadding}`, () =>
    Promise.resolve(cropPadding === null ? wholeWork(request) : croppedWork(request, cropPadding)),
  );
}

function wholeWork({ overlay, ...request }: InpaintRequest): InpaintWork {
  const size: Size = { width: request.width, height: request.height };
  const image = resize(request.image, size, 'lanczos');
  const mask = resize(request.mask, size, 'lanczos');
  const finish = (rendered: RawImage): RawImage =>
    applyOverlay({ mask, original: image, rendered, box: null });
  return { image, mask: binary(mask), finish: overlay ? finish : null };
}

/** The box round the mask is worked on at the request's size; what is pasted back needs the overlay to fit in. */
function croppedWork({ image: original, ...request }: InpaintRequest, padding: number): InpaintWork {
  const size: Size = { width: request.width, height: request.height };
  // Bilinear, for Lanczos would ring, and the box reach out for the ripples.
  const mask = resize(request.mask, { width: original.width, height: original.height }, 'bilinear');
  const box = cropRegion(mask, size, padding);
  return {
    image: resizeFill(cropTo(original, box), size),
    mask: binary(resizeFill(cropTo(mask, box), size)),
    finish: (rendered) => applyOverlay({ mask, original, rendered, box }),
  };
}

function binary({ grey }: GreyImage): Uint8Array {
  return grey.map((value) => (value < LEAST_MASKED ? 0 : 1));
}
