/** The same seed gives the same image alone or in any company: here, bit by bit, for the UNet's rows. */
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import type { UnetInput } from '../../workers/render/diffusion/loaded-model.ts';
import { readComponentFiles } from '../../workers/render/onnx/component-files.ts';
import { planComponent, UNET } from '../../workers/render/onnx/networks.ts';
import { noisePredictor } from '../../workers/render/onnx/noise-predictor.ts';
import type { NoisePredictor } from '../../workers/render/onnx/noise-predictor.ts';
import { createSession } from '../../workers/render/onnx/session.ts';
import type { Profile, Session } from '../../workers/render/onnx/session.ts';
import { bindWeights } from '../../workers/render/onnx/weights.ts';
import { Random } from '../support/random.ts';

const GOLDEN = join(packageRoot(), 'test', 'fixtures', 'golden');
const POCKET = join(packageRoot(), 'models', 'pocket-base', 'unet');
const TINY = join(GOLDEN, 'models', 'txt2img', 'unet');
/** With a class label, its noise level, for each row. */
const UPSCALER = join(GOLDEN, 'unet-upscaler');

/** Latent sizes: square, oblong, odd, and so small that the deepest level is one cell. */
const SIZES = [
  [1, 1],
  [4, 4],
  [8, 8],
  [9, 13],
  [16, 24],
] as const;
const ROWS = 5;

interface Setting {
  readonly folder: string;
  readonly profile: Profile;
  readonly threads: number;
}

/** Row by row the threads do not matter; together they decide how a product is cut up. */
const SETTINGS: readonly Setting[] = [
  ...[POCKET, TINY].flatMap((folder): readonly Setting[] => [
    { folder, profile: 'lean', threads: 2 },
    ...[1, 2, 3].map((threads) => ({ folder, profile: 'fast', threads }) as const),
  ]),
  { folder: UPSCALER, profile: 'lean', threads: 2 },
  { folder: UPSCALER, profile: 'fast', threads: 2 },
];

describe.each(SETTINGS)('$folder, profile $profile, $threads thread(s)', (setting) => {
  test('a row has the same bits alone, in pairs, in a batch and in another order', async () => {
    const { session, predict, inputOf } = await openUnet(setting);
    for (const [height, width] of SIZES) {
      const everyone = await predict(inputOf([0, 1, 2, 3, 4], height, width));
      for (const company of [[0], [3], [4, 1], [2, 3, 0], [4, 3, 2, 1, 0]]) {
        const output = await predict(inputOf(company, height, width));
        expect(rowsOf(output, company.length)).toEqual(company.map((row) => rowsOf(everyone, ROWS)[row]));
      }
    }
    await session.release();
  });
});

interface OpenUnet {
  readonly session: Session;
  readonly predict: NoisePredictor;
  /** The rows of these numbers, always with the same contents. */
  readonly inputOf: (rows: readonly number[], height: number, width: number) => UnetInput;
}

async function openUnet({ folder, profile, threads }: Setting): Promise<OpenUnet> {
  const { files, config, graphs, match } = planComponent(UNET, await readComponentFiles(folder, 'unet'));
  const session = await createSession(
    {
      name: folder,
      bytes: bindWeights(graphs.unet, files.weights, match.found),
      weightsFolder: dirname(files.weights.path),
    },
    { device: { kind: 'cpu' }, profile, threads },
  );
  return {
    session,
    predict: noisePredictor(session, { ...config, positions: 77, rowByRow: profile === 'lean' }),
    inputOf: (rows, height, width) => ({
      rows: rows.length,
      height,
      width,
      sample: join32(rows.map((row) => normal(row + 1, config.inChannels * height * width))),
      timesteps: Float32Array.from(rows, (row) => 999 / (1 + 2.3 * row)),
      hiddenStates: join32(rows.map((row) => normal(row + 100, 77 * config.crossAttentionDim))),
      classLabels: config.classes === undefined ? null : Int32Array.from(rows, (row) => 20 + 70 * row),
    }),
  };
}

function normal(seed: number, length: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => 2 * (random.next() + random.next() + random.next()) - 3);
}

function join32(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

function rowsOf(output: Float32Array, rows: number): Float32Array[] {
  const length = output.length / rows;
  return Array.from({ length: rows }, (_, row) => output.slice(row * length, (row + 1) * length));
}
