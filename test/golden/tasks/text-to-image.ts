import { number } from '../json.ts';
import { commonRequests } from './parameters.ts';
import type { Task } from './task.ts';

export const textToImage: Task = {
  keys: ['height', 'width'],
  requests: (golden) => {
    const [width, height] = [number(golden.request['width']), number(golden.request['height'])];
    return Promise.resolve(
      commonRequests(golden).map((common) => ({ ...common, kind: 'txt2img', width, height })),
    );
  },
};
