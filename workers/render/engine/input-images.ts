/**
 * The input images of samples, decoded. Pictures are kept by the array their file came in, and only for as long as
 * somebody holds that: the images of one job share one picture, and with it all that is computed from it alone.
 */
import type { SampleRequest } from '../diffusion/sample-request.ts';
import type { DepthValues, GreyImage, RawImage } from '../image/raw-image.ts';
import { readInput } from '../image/read-input.ts';
import type { EngineSample, SampleInputs } from './sample-message.ts';

export class InputImages {
  readonly #images = new WeakMap<Uint8Array, Promise<RawImage>>();
  readonly #masks = new WeakMap<Uint8Array, Promise<GreyImage>>();
  readonly #depthMaps = new WeakMap<Uint8Array, Promise<DepthValues>>();

  /** The whole request of a sample's first stage. Rejects, naming the input, when a file is not what it should be. */
  async requestOf({ request, inputs }: EngineSample): Promise<SampleRequest> {
    switch (request.kind) {
      case 'txt2img':
        return request;
      case 'img2img':
      case 'upscale':
        return { ...request, image: await this.#imageOf(inputs) };
      case 'depth': {
        const { depthMap } = inputs;
        const map = depthMap === undefined ? null : await this.#depthMapOf(depthMap);
        return { ...request, image: await this.#imageOf(inputs), depthMap: map };
      }
      case 'inpaint': {
        const mask = await once(this.#masks, present(inputs, 'mask'), (png) => readInput(png, 'mask'));
        return { ...request, image: await this.#imageOf(inputs), mask };
      }
    }
  }

  #imageOf(inputs: SampleInputs): Promise<RawImage> {
    return once(this.#images, present(inputs, 'image'), (png) => readInput(png, 'image'));
  }

  #depthMapOf(png: Uint8Array): Promise<DepthValues> {
    return once(this.#depthMaps, png, () => readInput(png, 'depth_map'));
  }
}

function once<Picture>(
  pictures: WeakMap<Uint8Array, Promise<Picture>>,
  png: Uint8Array,
  read: (png: Uint8Array) => Promise<Picture>,
): Promise<Picture> {
  const known = pictures.get(png) ?? read(png);
  pictures.set(png, known);
  return known;
}

function present(inputs: SampleInputs, name: keyof SampleInputs): Uint8Array {
  const png = inputs[name];
  if (png === undefined) throw new RangeError(`the ${name} of the request did not come with it`);
  return png;
}
