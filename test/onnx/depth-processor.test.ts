import { describe, expect, test } from 'vitest';
import { parseDepthProcessor } from '../../workers/render/onnx/depth-processor.ts';

describe("the depth estimator's processor", () => {
  test('has the defaults of its class', () => {
    expect(parseDepthProcessor({ feature_extractor_type: 'DPTFeatureExtractor' }, 'file')).toEqual({
      width: 384,
      height: 384,
      filter: 'bicubic',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
  });

  test.each([
    [{ resample: 0 }, { filter: 'nearest' }],
    [{ resample: 1 }, { filter: 'lanczos' }],
    [
      { resample: 2, size: 96 },
      { filter: 'bilinear', width: 96, height: 96 },
    ],
    [{ size: { height: 64, width: 96 } }, { width: 96, height: 64 }],
    [
      { image_mean: [0.4, 0.5, 0.6], image_std: [1, 2, 3] },
      { mean: [0.4, 0.5, 0.6], std: [1, 2, 3] },
    ],
    [{ rescale_factor: 0.003_921_568_627_450_98, do_pad: null }, { filter: 'bicubic' }],
  ])('is read from %j', (file, expected) => {
    expect(parseDepthProcessor(file, 'file')).toMatchObject(expected);
  });

  test.each([
    [[], /^file: must be a JSON object/],
    [{ resample: 4 }, /"resample": 4 must be 0 \(nearest\), 1 \(lanczos\), 2 \(bilinear\) or 3 \(bicubic\)/],
    [{ size: { shortest_edge: 384 } }, /"size": .* must be a side in pixels/],
    [{ keep_aspect_ratio: true }, /"keep_aspect_ratio": true is not supported, only false/],
    [{ do_rescale: false }, /"do_rescale": false is not supported, only true/],
    [{ rescale_factor: 1 }, /"rescale_factor": 1 must be 1\/255/],
    [{ image_mean: [0.5] }, /"image_mean": \[0\.5\] must be a list of 3 numbers/],
    [{ image_std: [1, 0, 1] }, /"image_std": \[1,0,1\] must be a list of 3 numbers, none of them 0/],
  ])('that says %j is refused with the reason', (file, message) => {
    expect(() => parseDepthProcessor(file, 'file')).toThrow(message);
  });
});
