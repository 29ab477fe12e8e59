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
import type { Session } from './session.ts';

export interface NoisePredictorOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly crossAttentionDim: number;
  /** Token positions per text. */
  readonly positions: number;
  readonly rowByRow: boolean;
}

export type NoisePredictor = (input: UnetInput) => Promise<Float32Array>;

export function noisePredictor(session: Session, options: NoisePredictorOptions): NoisePredictor {
  const { inChannels, outChannels, crossAttentionDim, positions } = options;
  const predict: NoisePredictor = ({ rows, height, width, sample, timesteps, hiddenStates }) =>
    session.run({
      sample: { data: sample, dims: [rows, inChannels, height, width] },
      timestep: { data: timesteps, dims: [rows] },
      encoder_hidden_states: { data: hiddenStates, dims: [rows, positions, crossAttentionDim] },
    });
  return options.rowByRow ? (input) => eachRow(predict, input, outChannels) : predict;
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
    });
    outputs.set(output, row * output.length);
  }
  return outputs;
}
