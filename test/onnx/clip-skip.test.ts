import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import { clipTextGraph } from '../../workers/render/onnx/clip-text.ts';
import { readComponentFiles } from '../../workers/render/onnx/component-files.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import { planComponent, TEXT_ENCODER } from '../../workers/render/onnx/networks.ts';
import { createSession, type SessionOptions } from '../../workers/render/onnx/session.ts';
import { bindWeights } from '../../workers/render/onnx/weights.ts';
import { maxAbsError } from '../golden/files.ts';

const POCKET = join(packageRoot(), 'models', 'pocket-base');
const CPU: SessionOptions = { device: { kind: 'cpu' }, profile: 'lean', threads: 1 };

/** The text encoder as if it had been published with that many layers, its last ones missing. */
async function shortEncoder(layers: number, ids: Int32Array): Promise<Float32Array> {
  const files = await readComponentFiles(join(POCKET, 'text_encoder'), 'text_encoder');
  const { config, match } = planComponent(TEXT_ENCODER, files);
  const graph = clipTextGraph({ ...config, layers });
  const { path } = files.weights;
  const bytes = bindWeights(graph, files.weights, match.found);
  const session = await createSession({ name: path, bytes, weightsFolder: dirname(path) }, CPU);
  try {
    return await session.run({
      input_ids: { data: ids, dims: [1, ids.length] },
      clip_skip: { data: Int32Array.of(0), dims: [] },
    });
  } finally {
    await session.release();
  }
}

describe('clip_skip', () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(POCKET, CPU);
  });
  afterAll(() => model.release());

  test.each([0, 1, 2])('%d gives what an encoder with that many layers fewer gives', async (clipSkip) => {
    const ids = model.tokenize('a red cube left of a blue sphere');
    const states = await model.encodeText(ids, clipSkip);
    const short = await shortEncoder(model.textEncoderLayers - clipSkip, ids);
    expect(maxAbsError(states, short)).toBeLessThan(1e-5);
  });

  // The final norm of `hidden_states[-(clip_skip + 1)]` in transformers: tokens 1, 1, 5, 76, channels 0, 1, 95, 0.
  test.each([
    [0, [0.244524, -0.29164, 0.367768, -0.017936]],
    [1, [0.317884, -0.368724, 0.321458, -0.034907]],
    [2, [0.404252, -0.016858, 0.410402, 0.127188]],
  ])('%d gives what diffusers would feed to the UNet', async (clipSkip, wanted) => {
    const states = await model.encodeText(model.tokenize('a red cube left of a blue sphere'), clipSkip);
    const width = model.crossAttentionDim;
    const found = [width, width + 1, 5 * width + 95, 76 * width].map((at) => states[at]!);
    expect(maxAbsError(Float32Array.from(found), Float32Array.from(wanted))).toBeLessThan(1e-5);
  });
});
