/** How a sample of each kind of job starts. */
import type { SampleRequest } from '../sample-request.ts';
import { prepareDepth } from './depth.ts';
import { prepareImageToImage } from './image-to-image.ts';
import { prepareInpaint } from './inpaint.ts';
import type { Preparation, Start } from './preparation.ts';
import { prepareTextToImage } from './text-to-image.ts';
import { prepareUpscale } from './upscale.ts';

/** Rejects with a RangeError, naming field, value and limit, when the request does not suit the model. */
export function prepare(parts: Preparation<SampleRequest>): Start | Promise<Start> {
  const { request } = parts;
  switch (request.kind) {
    case 'txt2img':
      return prepareTextToImage({ ...parts, request });
    case 'img2img':
      return prepareImageToImage({ ...parts, request });
    case 'depth':
      return prepareDepth({ ...parts, request });
    case 'inpaint':
      return prepareInpaint({ ...parts, request });
    case 'upscale':
      return prepareUpscale({ ...parts, request });
  }
}
