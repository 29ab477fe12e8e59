import { describe, expect, it } from 'vitest';
import { countFlops } from '../../bench/flops/count-flops.ts';
import { GraphBuilder, ints } from '../../workers/render/onnx/graph.ts';
import type { Graph, Value } from '../../workers/render/onnx/graph.ts';
import { attention, conv, linear } from '../../workers/render/onnx/layers.ts';
import { DEPTH_ESTIMATOR, TEXT_ENCODER, UNET, VAE } from '../../workers/render/onnx/networks.ts';
import {
  DPT_HYBRID,
  SD1_TEXT,
  SD1_UNET,
  SD2_DEPTH_UNET,
  SD2_INPAINT_UNET,
  SD2_TEXT,
  SD2_UNET,
  SD_VAE,
  X4_UNET,
} from '../support/stable-diffusion.ts';

function graphOf(layer: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder('test');
  g.output('y', layer(g, g.input('x', 'float32', ['a', 'b', 'c'])), []);
  return g.build();
}

describe('operations', () => {
  it('of a product are two for each weight and row', () => {
    const graph = graphOf((g, x) => linear(g, x, 'layer', { in: 5, out: 7 }));
    expect(countFlops(graph, { x: [2, 3, 5] })).toBe(2 * (2 * 3) * 5 * 7);
  });

  it('of a convolution are two for each weight and cell of its result, which a stride makes fewer', () => {
    const size = { out: 6, kernel: 3, stride: 2 };
    const graph = graphOf((g, value) => conv(g, { value, channels: 4 }, 'layer', size).value);
    expect(countFlops(graph, { x: [1, 4, 9, 11] })).toBe(2 * (5 * 6) * 6 * (4 * 3 * 3));
  });

  it('of attention are two products, of each query with each key and of the weights with the values', () => {
    const graph = graphOf((g, x) => attention(g, { query: x, key: x, value: x, heads: 2 }));
    expect(countFlops(graph, { x: [1, 10, 8] })).toBe(2 * (2 * 10 * 10 * 8));
  });

  it('are not guessed where an operator has no rule', () => {
    const graph = graphOf((g, x) => g.node('Cumsum', [x], { axes: ints([0]) }));
    expect(() => countFlops(graph, { x: [1, 2, 3] })).toThrow('no rule for the shape of Cumsum');
  });

  it('are not counted without the shape of every input', () => {
    expect(() =>
      countFlops(
        graphOf((_, x) => x),
        {},
      ),
    ).toThrow('input x has no shape');
  });
});

/** 1e9 operations of one row, for a side in cells of latents. */
function unet(json: object, side: number): number {
  const config = UNET.parse(json, 'UNet');
  const dims = {
    sample: [1, config.inChannels, side, side],
    timestep: [1],
    encoder_hidden_states: [1, 77, config.crossAttentionDim],
    class_labels: [1],
  };
  return countFlops(UNET.graphs(config).unet, dims) / 1e9;
}

function text(json: object): number {
  const { encoder } = TEXT_ENCODER.graphs(TEXT_ENCODER.parse(json, 'text encoder'));
  return countFlops(encoder, { input_ids: [1, 77], clip_skip: [] }) / 1e9;
}

const vae = VAE.graphs(VAE.parse(SD_VAE, 'VAE'));
const depth = DEPTH_ESTIMATOR.graphs(DEPTH_ESTIMATOR.parse(DPT_HYBRID, 'depth estimator'));

/** Counted by hooks over the reference implementation's modules, or by its closed forms; GFLOP. */
describe('the full-size networks take as many operations as the reference implementation', () => {
  it.each([
    ['SD 1.5 UNet, 64x64 cells', () => unet(SD1_UNET, 64), 803.27],
    ['SD 2.1 UNet, 32x32 cells', () => unet(SD2_UNET, 32), 181.1],
    ['SD 2.1 UNet, 64x64 cells', () => unet(SD2_UNET, 64), 804.26],
    ['SD 2.1 UNet, 96x96 cells', () => unet(SD2_UNET, 96), 2149.1],
    ['SD 2 inpaint UNet, 64x64 cells', () => unet(SD2_INPAINT_UNET, 64), 804.38],
    ['SD 2 depth UNet, 64x64 cells', () => unet(SD2_DEPTH_UNET, 64), 804.28],
    ['x4 upscaler UNet, 64x64 cells', () => unet(X4_UNET, 64), 286.4],
    ['x4 upscaler UNet, 128x128 cells', () => unet(X4_UNET, 128), 1131.4],
    ['SD 1 text encoder', () => text(SD1_TEXT), 13.3],
    ['SD 2 text encoder', () => text(SD2_TEXT), 45.1],
    ['f8 decoder, 512x512', () => countFlops(vae.decoder, { latent_sample: [1, 4, 64, 64] }) / 1e9, 2514.5],
    ['f8 encoder, 512x512', () => countFlops(vae.encoder, { sample: [1, 3, 512, 512] }) / 1e9, 1116.7],
    [
      'depth estimator, 384x384',
      () => countFlops(depth.estimator, { pixel_values: [1, 3, 384, 384] }) / 1e9,
      255.2,
    ],
  ])('%s', (_, count, expected) => {
    const counted = count();
    expect(Math.abs(counted / expected - 1), `${counted} against ${expected}`).toBeLessThan(0.002);
  });
});
