import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { readComponentFiles } from '../../workers/render/onnx/component-files.ts';
import type { ComponentFiles } from '../../workers/render/onnx/component-files.ts';
import { planComponent, VAE } from '../../workers/render/onnx/networks.ts';
import type { Plan } from '../../workers/render/onnx/networks.ts';
import { createSession } from '../../workers/render/onnx/session.ts';
import type { Session } from '../../workers/render/onnx/session.ts';
import { vaeDecoder } from '../../workers/render/onnx/vae-decoder.ts';
import type { VaeDecoderOptions } from '../../workers/render/onnx/vae-decoder.ts';
import { decodeInTiles } from '../../workers/render/onnx/vae-tiles.ts';
import type { Latents, TileDecoder, TileLayout } from '../../workers/render/onnx/vae-tiles.ts';
import type { VaeConfig } from '../../workers/render/onnx/vae.ts';
import { bindWeights } from '../../workers/render/onnx/weights.ts';

import { maxAbsError } from '../golden/files.ts';
import { Random } from '../support/random.ts';

type GraphName = 'decoder' | 'tileDecoder' | 'encoder';

const HEIGHT = 200;
const WIDTH = 320;
/** Cells of 8x8 pixels: three tiles by four, the rows closer together than the layout asks for. */
const LAYOUT: TileLayout = { side: 16, overlap: 8, fade: 4 };
/** The same tiles, but each begins where the last one ends. */
const HARD_LAYOUT: TileLayout = { side: 16, overlap: 0, fade: 1e-9 };

let plan: Plan<VaeConfig, GraphName>;
const opened = new Map<GraphName, Promise<Session>>();

function session(graph: GraphName): Promise<Session> {
  const known = opened.get(graph) ?? open(plan.files, graph);
  opened.set(graph, known);
  return known;
}

function open({ weights }: ComponentFiles, graph: GraphName): Promise<Session> {
  const bytes = bindWeights(plan.graphs[graph], weights, plan.match.found);
  const model = { name: graph, bytes, weightsFolder: dirname(weights.path) };
  return createSession(model, { device: { kind: 'cpu' }, profile: 'fast' });
}

beforeAll(async () => {
  const folder = join(packageRoot(), 'models', 'pocket-base', 'vae');
  plan = planComponent(VAE, await readComponentFiles(folder, 'vae'));
});

afterAll(async () => {
  for (const one of opened.values()) await (await one).release();
});

/** Sky above a floor in perspective, two balls, a shadow: what the pocket model was trained on, and then some. */
function picture(): Float32Array {
  const pixels = new Float32Array(3 * HEIGHT * WIDTH);
  const ball = (x: number, y: number, [cx, cy, r]: readonly [number, number, number]): number =>
    Math.hypot(x - cx, y - cy) < r ? 0.4 + (cy - y + cx - x) / (3 * r) : Number.NaN;
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++) {
      const depth = 60 / Math.max(1, y - 80);
      const board = (Math.floor((x - 150) * depth * 0.06) + Math.floor(depth * 9)) % 2 === 0 ? 0.25 : -0.1;
      const ground = y < 84 ? [-0.2 + y / 200, 0.1 + y / 180, 0.7] : [board, board, board - 0.1];
      const [red, blue] = [ball(x, y, [100, 110, 52]), ball(x, y, [240, 140, 36])];
      const colour = Number.isNaN(red)
        ? Number.isNaN(blue)
          ? ground
          : [-0.7, -0.4, blue]
        : [red, -0.6, -0.7];
      for (const [channel, value] of colour.entries())
        pixels[(channel * HEIGHT + y) * WIDTH + x] = Math.max(-1, Math.min(1, value));
    }
  return pixels;
}

async function encode(pixels: Float32Array): Promise<Latents> {
  const encoder = await session('encoder');
  const moments = await encoder.run({ sample: { data: pixels, dims: [1, 3, HEIGHT, WIDTH] } });
  const { latentScale } = plan.config;
  return {
    data: moments.slice(0, moments.length / 2),
    height: HEIGHT / latentScale,
    width: WIDTH / latentScale,
  };
}

const decode = (latents: Latents, options: VaeDecoderOptions): Promise<Float32Array> =>
  vaeDecoder(session, plan.config, options)(latents);

/** Of pictures in -1..1, as 8-bit files would have it. */
function psnr(a: Float32Array, b: Float32Array): number {
  const error = a.reduce((sum, value, i) => sum + ((value - b[i]!) / 2) ** 2, 0) / a.length;
  return -10 * Math.log10(error);
}

/** Between neighbouring columns, or neighbouring rows: how much pixels differ across, on average, in 8-bit levels. */
function stepsAcross(image: Float32Array, direction: 'columns' | 'rows'): number[] {
  const [distance, count] = direction === 'columns' ? [1, WIDTH] : [WIDTH, HEIGHT];
  const sums = Array<number>(count - 1).fill(0);
  for (let i = 0; i < image.length; i++) {
    const at = Math.floor(i / distance) % count;
    if (at < count - 1) sums[at]! += Math.abs(image[i + distance]! - image[i]!);
  }
  return sums.map((sum) => ((sum * count) / image.length) * 127.5);
}

/** The most that a step grew over the same step of `reference`, beyond what the steps around it grew. */
function worstSeam(image: Float32Array, reference: Float32Array, direction: 'columns' | 'rows'): number {
  const before = stepsAcross(reference, direction);
  const growth = stepsAcross(image, direction).map((step, at) => step - before[at]!);
  const beyond = growth.map((step, at) => {
    const around = growth.slice(Math.max(0, at - 8), at + 9).toSorted((a, b) => a - b);
    return step - around[around.length >> 1]!;
  });
  return Math.max(...beyond);
}

describe('a picture decoded in tiles', () => {
  let latents: Latents;
  let expected: Float32Array;
  let tiled: Float32Array;

  beforeAll(async () => {
    latents = await encode(picture());
    expected = await decode(latents, {});
    tiled = await decode(latents, { wholePixels: 0, layout: LAYOUT });
  });

  test('looks as if decoded whole', () => {
    expect(psnr(tiled, expected)).toBeGreaterThan(30);
  });

  test('shows no seam, where tiles without an overlap show theirs', async () => {
    const hard = await decode(latents, { wholePixels: 0, layout: HARD_LAYOUT });
    expect(worstSeam(hard, expected, 'columns')).toBeGreaterThan(1.5);
    expect(worstSeam(tiled, expected, 'columns')).toBeLessThan(0.5);
    expect(worstSeam(tiled, expected, 'rows')).toBeLessThan(0.5);
  });

  test('is left whole up to the size given, exactly as without tiles; above it the tiles are the same every time', async () => {
    const upTo = (wholePixels: number): Promise<Float32Array> =>
      decode(latents, { wholePixels, layout: LAYOUT });
    expect(maxAbsError(await upTo(HEIGHT * WIDTH), expected)).toBe(0);
    expect(maxAbsError(await upTo(HEIGHT * WIDTH - 1), tiled)).toBe(0);
  });

  test('in a single tile comes out as from the decoder for whole pictures', async () => {
    const single = await decode(latents, { wholePixels: 0, layout: { side: 64, overlap: 0, fade: 1 } });
    expect(maxAbsError(single, expected)).toBeLessThan(1e-3);
  });
});

/** Pixels repeat their cell and carry the statistics away, so that any picture shows how its tiles were put together. */
function nearest(latentScale: number): TileDecoder {
  return {
    latentChannels: 1,
    imageChannels: 1,
    latentScale,
    norms: 1,
    groups: 1,
    measure({ data }) {
      const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
      const square = data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
      return Promise.resolve(Float32Array.of(mean, square - mean ** 2));
    },
    decode({ data, height, width }, statistics) {
      const image = new Float32Array(height * width * latentScale ** 2);
      const pixels = image.map((_, i) => {
        const [y, x] = [Math.floor(i / (width * latentScale)), i % (width * latentScale)];
        const cell = data[Math.floor(y / latentScale) * width + Math.floor(x / latentScale)]!;
        return cell + statistics[0]!;
      });
      return Promise.resolve(pixels);
    },
  };
}

test('tiles of any size cover a picture of any size once', async () => {
  const random = new Random(7);
  const upTo = (most: number): number => 1 + Math.floor(random.next() * most);
  for (let round = 0; round < 100; round++) {
    const [height, width, latentScale] = [upTo(40), upTo(40), upTo(4)];
    const side = 1 + upTo(12);
    const overlap = Math.floor(random.next() * (1 + Math.floor(side / 2)));
    const most = Math.min(overlap, Math.floor((side - overlap) / 2));
    const layout = { side, overlap, fade: Math.max(1e-9, random.next() * most) };
    const picture = { data: new Float32Array(height * width).map(() => random.next()), height, width };
    const decoder = nearest(latentScale);
    const image = await decodeInTiles(decoder, picture, layout);
    const expected = await decoder.decode(picture, Float32Array.of(image[0]! - picture.data[0]!, 0));
    expect(maxAbsError(image, expected), JSON.stringify({ height, width, layout })).toBeLessThan(1e-5);
  }
});
