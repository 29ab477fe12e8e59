/**
 * Rows in, rows out, with the promise that a row's result does not depend on its company.
 *
 * On a CPU the matrix product decides by the number of rows how it splits its sums into blocks, over threads and
 * caches, and so in which order it rounds: a row alone would differ in its last bits from the same row in a batch,
 * and the same seed would give another image under load. Prepacked weights fix the blocks once (profile `fast`).
 * Without them (`lean`) each row is computed by a call of its own, always the same call; on networks large enough
 * to be mapped in place that costs nothing at 512x512 and under 10 % at 256x256, since one row fills the cores.
 */
import type { UnetInput } from '../diffusion/loaded-model.ts';
import type { Feed, Session } from './session.ts';

export interface NoisePredictorOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly crossAttentionDim: number;
  /** Token positions per text. */
  readonly positions: number;
  readonly rowByRow: boolean;
  /** Rows of the table of class embeddings; absent for a UNet that has none. */
  readonly classes?: number;
}

export type NoisePredictor = (input: UnetInput) => Promise<Float32Array>;

export function noisePredictor(session: Session, options: NoisePredictorOptions): NoisePredictor {
  const { inChannels, outChannels, crossAttentionDim, positions } = options;
  const predict: NoisePredictor = ({ rows, height, width, ...input }) =>
    session.run({
      sample: { data: input.sample, dims: [rows, inChannels, height, width] },
      timestep: { data: input.timesteps, dims: [rows] },
      encoder_hidden_states: { data: input.hiddenStates, dims: [rows, positions, crossAttentionDim] },
      ...classFeed(input.classLabels, options.classes),
    });
  return options.rowByRow ? (input) => eachRow(predict, input, outChannels) : predict;
}

/** @throws RangeError for labels where the UNet has none, the other way round, and a label without a row */
function classFeed(labels: Int32Array | null, classes: number | undefined): Record<string, Feed> {
  if (labels === null && classes === undefined) return {};
  if (labels === null) throw new RangeError(`the UNet wants one of ${classes} class labels for each row`);
  if (classes === undefined) throw new RangeError('the UNet has no class embeddings, so it takes no labels');
  const foreign = labels.find((label) => label < 0 || label >= classes);
  if (foreign !== undefined) throw new RangeError(`class label ${foreign} is not in 0..${classes - 1}`);
  return { class_labels: { data: BigInt64Array.from(labels, BigInt), dims: [labels.length] } };
}

async function eachRow(
  predict: NoisePredictor,
  input: UnetInput,
  outChannels: number,
): Promise<Float32Array> {
  const { rows, height, width } = input;
  const rowOf = (values: Float32Array, row: number): Float32Array =>
    values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows);
  const outputs = new Float32Array(rows * outChannels * height * width);
  for (let row = 0; row < rows; row++) {
    const output = await predict({
      rows: 1,
      height,
      width,
      sample: rowOf(input.sample, row),
      timesteps: rowOf(input.timesteps, row),
      hiddenStates: rowOf(input.hiddenStates, row),
      classLabels: input.classLabels === null ? null : input.classLabels.subarray(row, row + 1),
    });
    outputs.set(output, row * output.length);
  }
  return outputs;
}
