/**
 * Group norms whose mean and variance come from outside. A tile of a picture has other statistics than the whole
 * picture, so a network that normalises each tile by its own gives each its own tint; one that normalises all of
 * them alike is a convolution wherever it looks, and its tiles fit together.
 */
import { int } from './graph.ts';
import type { GraphBuilder, Value } from './graph.ts';

export interface NormParameters {
  /** `[channels]` in the file. */
  readonly scale: string;
  readonly shift: string;
  readonly channels: number;
  readonly groups: number;
  readonly epsilon: number;
}

/** All group norms of one graph, in the order of its walk. For one picture at a time. */
export class GroupStatistics {
  readonly #g: GraphBuilder;
  readonly #given: Value;
  readonly #own: Value;
  readonly #measured: Value[] = [];

  /**
   * Adds two inputs: `statistics f32[norms, 2, groups]`, mean and variance, and `own_share f32[]`: 1 to normalise by
   * what is measured, 0 by what is given.
   */
  constructor(g: GraphBuilder, groups: number) {
    this.#g = g;
    this.#given = g.input('statistics', 'float32', ['norms', 2, groups]);
    this.#own = g.input('own_share', 'float32', []);
  }

  /** `[1, C, h, w]` -> the same, normalised. */
  normalise(x: Value, { scale, shift, channels, groups, epsilon }: NormParameters): Value {
    const g = this.#g;
    const perChannel = [1, groups, channels / groups, 1];
    const grouped = g.node('Reshape', [x, g.int64s([0, groups, channels / groups, -1])]);
    const [mean, variance] = this.#statistics(grouped, groups);
    const spread = g.node('Sqrt', [g.node('Add', [variance, g.floats([epsilon], [])])]);
    const storedShape = [channels];
    const stretch = g.node('Div', [g.parameter(scale, perChannel, { init: 'one', storedShape }), spread]);
    const offset = g.node('Sub', [
      g.parameter(shift, perChannel, { init: 'zero', storedShape }),
      g.node('Mul', [mean, stretch]),
    ]);
    const normed = g.node('Add', [g.node('Mul', [grouped, stretch]), offset]);
    return g.node('Reshape', [normed, g.node('Shape', [x])]);
  }

  /** What was measured: `[norms, 2, groups]`. */
  measured(): Value {
    return this.#g.node('Concat', this.#measured, { axis: int(0) });
  }

  /** The mean and variance to use, each `[1, groups, 1, 1]`. */
  #statistics(grouped: Value, groups: number): [Value, Value] {
    const g = this.#g;
    const size = g.node('Shape', [grouped], { start: int(2) });
    const count = g.node('Cast', [g.node('ReduceProd', [size], { keepdims: int(0) })], { to: int(1) });
    const axes = g.int64s([2, 3]);
    const mean = g.node('ReduceMean', [grouped, axes], { keepdims: int(0) });
    const squares = g.node('Div', [g.node('ReduceSumSquare', [grouped, axes], { keepdims: int(0) }), count]);
    const variance = g.node('Sub', [squares, g.node('Mul', [mean, mean])]);
    const own = g.node('Unsqueeze', [g.node('Concat', [mean, variance], { axis: int(0) }), g.int64s([0])]);
    const given = g.node('Gather', [this.#given, g.int64s([this.#measured.length], [1])], { axis: int(0) });
    this.#measured.push(own);
    const used = g.node('Add', [given, g.node('Mul', [this.#own, g.node('Sub', [own, given])])]);
    const [first, second] = g.halves(used, 1);
    const shape = g.int64s([1, groups, 1, 1]);
    return [g.node('Reshape', [first, shape]), g.node('Reshape', [second, shape])];
  }
}
