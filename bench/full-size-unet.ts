/**
 * The full-size UNet of Stable Diffusion 2.1 (865,910,724 parameters, fp32) with random weights on the CPU, profile
 * `lean`: how long it takes to load, what private memory it costs, and how long a guided step takes.
 * Writes 3.5 GB into the temporary folder and removes them again.
 */
import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseUnetConfig } from '../workers/render/onnx/unet-config.ts';
import type { UnetConfig } from '../workers/render/onnx/unet-config.ts';
import { unetGraph, unetNaming } from '../workers/render/onnx/unet.ts';
import { noisePredictor } from '../workers/render/onnx/noise-predictor.ts';
import type { NoisePredictor } from '../workers/render/onnx/noise-predictor.ts';
import { writeRandomWeights } from '../workers/render/onnx/random-weights.ts';
import { openSafetensors } from '../workers/render/onnx/safetensors.ts';
import { createSession } from '../workers/render/onnx/session.ts';
import type { Session } from '../workers/render/onnx/session.ts';
import { bindWeights, matchWeights } from '../workers/render/onnx/weights.ts';
import { SD2_UNET } from '../test/support/stable-diffusion.ts';

const NEEDED_BYTES = 4e9;
const POSITIONS = 77;
const PIXELS_PER_CELL = 8;
/** The first run pages the weights in, so a small one goes before the measured ones. */
const WARM_UP_CELLS = 8;
const MEASURED_CELLS = [32, 64];

interface Row {
  readonly name: string;
  readonly value: string;
}

/** @throws when the temporary folder has not enough room */
export async function fullSizeUnet(): Promise<Row[]> {
  const free = await statfs(tmpdir()).then(({ bavail, bsize }) => bavail * bsize);
  if (free < NEEDED_BYTES)
    throw new Error(`${tmpdir()} has ${gigabytes(free)} free, the bench needs ${gigabytes(NEEDED_BYTES)}`);
  const folder = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    return await measure(join(folder, 'diffusion_pytorch_model.safetensors'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(path: string): Promise<Row[]> {
  const config = parseUnetConfig(SD2_UNET, 'SD 2.1 UNet');
  await writeRandomWeights(path, unetGraph(config).parameters, { seed: 1, dtype: 'F32' });
  const before = await privateBytes();
  const started = performance.now();
  const session = await load(path);
  const rows = [
    { name: 'load', value: `${Math.round(performance.now() - started)} ms` },
    { name: 'private memory after load', value: growth(before, await privateBytes()) },
  ];
  const predict = noisePredictor(session, { ...config, positions: POSITIONS, rowByRow: true });
  await guidedStep(predict, config, WARM_UP_CELLS);
  for (const cells of MEASURED_CELLS) {
    const { wall, cpu } = await guidedStep(predict, config, cells);
    const side = cells * PIXELS_PER_CELL;
    rows.push({
      name: `guided step ${side}x${side}`,
      value: `${wall.toFixed(2)} s (${cpu.toFixed(2)} CPU s)`,
    });
  }
  rows.push({ name: 'private memory after steps', value: growth(before, await privateBytes()) });
  await session.release();
  rows.push({ name: 'private memory after release', value: growth(before, await privateBytes()) });
  return rows;
}

async function load(path: string): Promise<Session> {
  const weights = await openSafetensors(path);
  const graph = unetGraph(parseUnetConfig(SD2_UNET, 'SD 2.1 UNet'));
  const { found } = matchWeights(graph.parameters, weights.tensors, unetNaming);
  const bytes = bindWeights(graph, weights, found);
  const model = { name: 'SD 2.1 UNet', bytes, weightsFolder: dirname(weights.path) };
  return createSession(model, { device: { kind: 'cpu' }, profile: 'lean' });
}

/** Two rows, one with and one without the prompt. */
async function guidedStep(
  predict: NoisePredictor,
  config: UnetConfig,
  cells: number,
): Promise<{ wall: number; cpu: number }> {
  const input = {
    rows: 2,
    height: cells,
    width: cells,
    sample: waves(2 * config.inChannels * cells * cells),
    timesteps: Float32Array.of(500, 500),
    hiddenStates: waves(2 * POSITIONS * config.crossAttentionDim),
    classLabels: null,
  };
  const [started, cpuBefore] = [performance.now(), process.cpuUsage()];
  const output = await predict(input);
  const cpu = process.cpuUsage(cpuBefore);
  if (!output.every(Number.isFinite)) throw new Error('the UNet returned numbers that are not finite');
  return { wall: (performance.now() - started) / 1e3, cpu: (cpu.user + cpu.system) / 1e6 };
}

function waves(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => 1.5 * Math.sin(i));
}

/** Anonymous memory of this process: what is not backed by a file, such as mapped weights. Linux only. */
async function privateBytes(): Promise<number | undefined> {
  const rollup = await readFile('/proc/self/smaps_rollup', 'utf8').catch(() => '');
  const kilobytes = /^Anonymous:\s+(\d+) kB$/m.exec(rollup)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function growth(before: number | undefined, now: number | undefined): string {
  if (before === undefined || now === undefined) return 'unknown (no /proc/self/smaps_rollup)';
  return `${Math.round(now / 1e6)} MB (${Math.round((now - before) / 1e6)} MB more than before)`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
