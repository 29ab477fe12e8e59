import { join } from 'node:path';
import { openSafetensors, readTensor } from '../../../workers/render/onnx/safetensors.ts';
import type { DepthValues } from '../../../workers/render/image/raw-image.ts';
import { number, text } from '../json.ts';
import { commonRequests, imagesOf, sizeOf } from './parameters.ts';
import type { PipelineCase, Task } from './task.ts';

export const depthToImage: Task = {
  keys: ['image', 'strength', 'depth_map'],
  async requests(golden, { latentScale }) {
    const images = await imagesOf(golden, 'image');
    const depthMap = await depthMapOf(golden);
    const strength = number(golden.request['strength']);
    return commonRequests(golden).map((common, i) => {
      const image = images[i]!;
      const size = sizeOf(golden.request, image, latentScale);
      return { ...common, ...size, kind: 'depth', image, strength, depthMap };
    });
  },
};

/** A safetensors file with one tensor `depth` `[H, W]`, for all images of the case. */
async function depthMapOf({ request, folder }: PipelineCase): Promise<DepthValues | null> {
  if (request['depth_map'] === undefined) return null;
  const file = await openSafetensors(join(folder, text(request['depth_map'])));
  const [height = 0, width = 0] = file.tensors.get('depth')?.shape ?? [];
  return { width, height, values: await readTensor(file, 'depth') };
}
