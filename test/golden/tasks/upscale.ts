import { number } from '../json.ts';
import { commonRequests, imagesOf, sizeOf } from './parameters.ts';
import type { Task } from './task.ts';

/** diffusers cuts the sides of a low-resolution image to multiples of the VAE's scale. */
export const upscale: Task = {
  keys: ['image', 'noise_level'],
  async requests(golden, { latentScale }) {
    const images = await imagesOf(golden, 'image');
    const noiseLevel = number(golden.request['noise_level']);
    return commonRequests(golden).map((common, i) => {
      const image = images[i]!;
      const low = sizeOf({}, image, latentScale);
      const size = { width: latentScale * low.width, height: latentScale * low.height };
      return { ...common, ...size, kind: 'upscale', image, noiseLevel };
    });
  },
};
