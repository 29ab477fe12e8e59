/**
 * The yardstick of a network's rate: one large matrix product in the same runtime on the same threads. A network is
 * little else than matrix products, so its share of this is how near it comes to what the machine can do.
 */
import { GraphBuilder } from '../../workers/render/onnx/graph.ts';
import { encodeModel } from '../../workers/render/onnx/model-proto.ts';
import { createSession, type SessionOptions } from '../../workers/render/onnx/session.ts';
import { waves } from '../waves.ts';

/** Large enough that packing and handing over do not count, small enough for a tenth of a second on two cores. */
const SIDE = 2048;
const RUNS = 3;

export interface Ceiling {
  /** Floating-point operations per second, now: the best of a few runs. */
  measure(): Promise<number>;
  release(): Promise<void>;
}

export async function openCeiling(options: SessionOptions): Promise<Ceiling> {
  const g = new GraphBuilder('matmul');
  const factors = ['a', 'b'].map((name) => g.input(name, 'float32', [SIDE, SIDE]));
  g.output('product', g.node('MatMul', factors), [SIDE, SIDE]);
  const bytes = encodeModel({ ...g.build(), initializers: [] });
  const session = await createSession({ name: 'matmul', bytes, weightsFolder: '' }, options);
  const feed = { data: waves(SIDE * SIDE), dims: [SIDE, SIDE] };
  const run = async (): Promise<number> => {
    const startedAt = performance.now();
    await session.run({ a: feed, b: feed });
    return (2 * SIDE ** 3) / ((performance.now() - startedAt) / 1_000);
  };
  return {
    async measure() {
      const rates: number[] = [];
      while (rates.length < RUNS) rates.push(await run());
      return Math.max(...rates);
    },
    release: () => session.release(),
  };
}
