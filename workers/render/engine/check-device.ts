/**
 * One addition on the device, before anything is asked of it. A worker whose CUDA libraries are missing would
 * otherwise take jobs faster than any healthy one, and fail them all.
 */
import { packageRoot } from '../../../src/paths.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { encodeModel } from '../onnx/model-proto.ts';
import { createSession, type SessionOptions } from '../onnx/session.ts';

/** Rejects with the reason when the device cannot be used. */
export async function checkDevice(options: SessionOptions): Promise<void> {
  const builder = new GraphBuilder('device check');
  const input = builder.input('input', 'float32', [1]);
  builder.output('sum', builder.node('Add', [input, builder.floats([1], [1])]), [1]);
  const { constants, ...graph } = builder.build();
  const bytes = encodeModel({ ...graph, initializers: constants });
  const session = await createSession({ name: 'device check', bytes, weightsFolder: packageRoot() }, options);
  const [sum] = await session.run({ input: { data: Float32Array.of(1), dims: [1] } });
  await session.release();
  if (sum !== 2) throw new Error(`the device adds 1 and 1 to ${sum}`);
}
