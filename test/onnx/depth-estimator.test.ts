import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { parseDptConfig } from '../../workers/render/onnx/dpt-config.ts';
import { dptGraph, dptNaming } from '../../workers/render/onnx/dpt.ts';
import { DEPTH_ESTIMATOR } from '../../workers/render/onnx/networks.ts';
import { openSafetensors, readTensor } from '../../workers/render/onnx/safetensors.ts';
import { createSession } from '../../workers/render/onnx/session.ts';
import type { Profile } from '../../workers/render/onnx/session.ts';
import { bindWeights, matchWeights } from '../../workers/render/onnx/weights.ts';
import { maxAbsError, readJson } from '../golden/files.ts';
import { DPT_HYBRID } from '../support/stable-diffusion.ts';

const GOLDEN = join(packageRoot(), 'test', 'fixtures', 'golden', 'depth_estimator-hybrid');

const countValues = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

describe('the depth estimator', () => {
  test.each<Profile>(['lean', 'fast'])('gives the depth that transformers gives (%s)', async (profile) => {
    const weights = await openSafetensors(join(GOLDEN, 'model.safetensors'));
    const io = await openSafetensors(join(GOLDEN, 'io.safetensors'));
    const config = DEPTH_ESTIMATOR.parse(await readJson(join(GOLDEN, 'config.json')), 'config.json');
    const { estimator } = DEPTH_ESTIMATOR.graphs(config);
    const match = matchWeights(estimator.parameters, weights.tensors, DEPTH_ESTIMATOR.naming);
    expect(match.problems).toEqual([]);
    const session = await createSession(
      { name: 'golden', bytes: bindWeights(estimator, weights, match.found), weightsFolder: GOLDEN },
      { device: { kind: 'cpu' }, profile },
    );
    const pixels = { data: await readTensor(io, 'pixel_values'), dims: [2, 3, config.side, config.side] };
    const depth = await session.run({ pixel_values: pixels });
    await session.release();
    expect(maxAbsError(depth, await readTensor(io, 'predicted_depth'))).toBeLessThan(2e-3);
  });

  test('as published has 122,377,985 parameters in 414 tensors, with those that are stored but never used', () => {
    const { parameters } = dptGraph(parseDptConfig(DPT_HYBRID, 'depth_estimator/config.json'));
    const unit = 'neck.fusion_stage.layers.0.residual_layer1';
    const unused = [
      ['dpt.layernorm.weight', [768]],
      ['dpt.layernorm.bias', [768]],
      [`${unit}.convolution1.weight`, [256, 256, 3, 3]],
      [`${unit}.convolution1.bias`, [256]],
      [`${unit}.convolution2.weight`, [256, 256, 3, 3]],
      [`${unit}.convolution2.bias`, [256]],
    ] as const;
    expect(unused.every(([name]) => dptNaming.isUnused(name))).toBe(true);
    expect(parameters.some(({ name }) => dptNaming.isUnused(name))).toBe(false);
    const shapes = [...parameters.map(({ dims }) => dims), ...unused.map(([, dims]) => dims)];
    expect(shapes).toHaveLength(414);
    expect(shapes.reduce((sum, dims) => sum + countValues(dims), 0)).toBe(122_377_985);
  });

  test('without a backbone_config has the backbone that transformers fills in', () => {
    const { backbone_config: _, ...rest } = DPT_HYBRID;
    expect(parseDptConfig(rest, 'x')).toEqual(parseDptConfig(DPT_HYBRID, 'x'));
  });
});

describe('a depth estimator of another make is refused by the key that says so', () => {
  const backbone = (change: object): object => ({
    backbone_config: { ...DPT_HYBRID.backbone_config, ...change },
  });

  test.each([
    [{ is_hybrid: false }, '"is_hybrid": false only the hybrid is supported'],
    [{ image_size: 400 }, '"image_size": 400 must be a multiple of 32'],
    [{ readout_type: 'add' }, '"readout_type": "add" only "project" is supported'],
    [
      { reassemble_factors: [4, 2, 1, 0.5] },
      '"reassemble_factors": [4,2,1,0.5] only [1,1,1,0.5] is supported',
    ],
    [{ neck_ignore_stages: undefined }, '"neck_ignore_stages": undefined only [0,1] is supported'],
    [
      { backbone_out_indices: [2, 5, 8, 12] },
      '"backbone_out_indices": [2,5,8,12] must end with two of the 12 layers, in their order',
    ],
    [
      { neck_hidden_sizes: [96, 192, 384, 768] },
      `"neck_hidden_sizes": [96,192,384,768] must begin with the backbone's 256 and 512 channels`,
    ],
    [
      backbone({ layer_type: 'preactivation' }),
      '"backbone_config": "layer_type": "preactivation" must be one of bottleneck',
    ],
    [
      backbone({ hidden_sizes: [256, 512, 1000] }),
      '"backbone_config": "hidden_sizes": [256,512,1000] must be multiples of 32',
    ],
  ])('%j', (change, message) => {
    expect(() => parseDptConfig({ ...DPT_HYBRID, ...change }, 'config.json')).toThrow(message);
  });
});
