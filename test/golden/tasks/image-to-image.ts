import { number } from '../json.ts';
import { commonRequests, imagesOf, sizeOf } from './parameters.ts';
import type { Task } from './task.ts';

export const imageToImage: Task = {
  keys: ['image', 'strength'],
  async requests(golden, { latentScale }) {
    const images = await imagesOf(golden, 'image');
    const strength = number(golden.request['strength']);
    return commonRequests(golden).map((common, i) => {
      const image = images[i]!;
      const size = sizeOf(golden.request, image, latentScale);
      return { ...common, ...size, kind: 'img2img', image, strength };
    });
  },
};
