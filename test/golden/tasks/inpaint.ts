import { number } from '../json.ts';
import { commonRequests, imagesOf, masksOf } from './parameters.ts';
import type { Task } from './task.ts';

/** Models with nine channels and with four. `overlay` pastes back as diffusers' image processor does when asked. */
export const inpaint: Task = {
  keys: ['height', 'width', 'image', 'mask_image', 'strength', 'padding_mask_crop', 'overlay'],
  async requests(golden) {
    const { request } = golden;
    const images = await imagesOf(golden, 'image');
    const masks = await masksOf(golden, 'mask_image');
    const padding = request['padding_mask_crop'] ?? null;
    return commonRequests(golden).map((common, i) => ({
      ...common,
      kind: 'inpaint',
      width: number(request['width']),
      height: number(request['height']),
      image: images[i]!,
      mask: masks[i]!,
      strength: number(request['strength']),
      overlay: request['overlay'] === true,
      cropPadding: padding === null ? null : number(padding),
    }));
  },
};
