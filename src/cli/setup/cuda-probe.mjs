/**
 * Runs a one-node convolution on the CUDA provider; exits 0 when the answer is right. A convolution, because it
 * is what needs cuDNN. The binding throws when 'cuda' is asked for and cannot be had: it never falls back.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** ONNX opset 17: y = Conv(x, w), x f32[1,1,2,2], w f32[1,1,2,2], y f32[1,1,1,1]. */
const MODEL =
  'CAg6bwoPCgF4CgF3EgF5IgRDb252EgVwcm9iZVobCgF4EhYKFAgBEhAKAggBCgIIAQoCCAIKAggCWhsKAXcSFgoUCAESEAoCCAEKAggBCgIIAgoCCAJiGwoBeRIWChQIARIQCgIIAQoCCAEKAggBCgIIAUIECgAQEQ==';

try {
  const session = await InferenceSession.create(Buffer.from(MODEL, 'base64'), {
    executionProviders: ['cuda'],
  });
  const input = (values) => new Tensor('float32', Float32Array.from(values), [1, 1, 2, 2]);
  const { y } = await session.run({ x: input([1, 2, 3, 4]), w: input([1, 1, 1, 1]) });
  if (y.data[0] !== 10) throw new Error(`1 + 2 + 3 + 4 came out as ${y.data[0]}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
