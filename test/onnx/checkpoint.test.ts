import { describe, expect, test } from 'vitest';
import { clipTextGraph, clipTextNaming, parseClipTextConfig } from '../../workers/render/onnx/clip-text.ts';
import type { Graph, Parameter } from '../../workers/render/onnx/graph.ts';
import type { TensorEntry } from '../../workers/render/onnx/safetensors-header.ts';
import { parseUnetConfig } from '../../workers/render/onnx/unet-config.ts';
import { unetGraph, unetNaming } from '../../workers/render/onnx/unet.ts';
import {
  parseVaeConfig,
  vaeDecoderGraph,
  vaeEncoderGraph,
  vaeNaming,
} from '../../workers/render/onnx/vae.ts';
import { matchWeights } from '../../workers/render/onnx/weights.ts';
import {
  SD1_TEXT,
  SD1_UNET,
  SD2_DEPTH_UNET,
  SD2_INPAINT_UNET,
  SD2_TEXT,
  SD2_UNET,
  SD_VAE,
  SMALL_TEXT,
  SMALL_UNET,
  SMALL_VAE,
  X4_UNET,
} from '../support/stable-diffusion.ts';

const unet = (config: object): Graph => unetGraph(parseUnetConfig(config, 'unet/config.json'));
const text = (config: object): Graph =>
  clipTextGraph(parseClipTextConfig(config, 'text_encoder/config.json'));

function vae(config: object): readonly Graph[] {
  const parsed = parseVaeConfig(config, 'vae/config.json');
  return [vaeDecoderGraph(parsed), vaeEncoderGraph(parsed)];
}

function countValues(graph: Graph): number {
  return graph.parameters.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
}

/** The tensors that a sound file of these parameters has. */
function tensorsOf(parameters: readonly Parameter[]): Map<string, TensorEntry> {
  const entries = parameters.map(({ name, storedShape: shape }) => ({ name, shape, dtype: 'F16' as const }));
  return new Map(entries.map((entry) => [entry.name, { ...entry, offset: 0, length: 0 }]));
}

describe('the published networks have as many parameters as published', () => {
  test.each([
    ['UNet of Stable Diffusion 1', () => unet(SD1_UNET), 859_520_964, 686],
    ['UNet of Stable Diffusion 2', () => unet(SD2_UNET), 865_910_724, 686],
    ['UNet of Stable Diffusion 2 inpaint', () => unet(SD2_INPAINT_UNET), 865_925_124, 686],
    ['UNet of Stable Diffusion 2 depth', () => unet(SD2_DEPTH_UNET), 865_913_604, 686],
    ['UNet of the x4 upscaler', () => unet(X4_UNET), 473_398_020, 687],
    ['VAE decoder', () => vae(SD_VAE)[0]!, 49_490_199, 140],
    ['VAE encoder', () => vae(SD_VAE)[1]!, 34_163_664, 108],
    ['text encoder of Stable Diffusion 1', () => text(SD1_TEXT), 123_060_480, 196],
    ['text encoder of Stable Diffusion 2', () => text(SD2_TEXT), 340_387_840, 372],
  ])('%s', (_, graph, values, tensors) => {
    expect(countValues(graph())).toBe(values);
    expect(graph().parameters).toHaveLength(tensors);
  });
});

describe('a checkpoint is held against its config tensor by tensor', () => {
  const { parameters } = unet(SMALL_UNET);
  const problemsAfter = (change: (tensors: Map<string, TensorEntry>) => void): readonly string[] => {
    const tensors = tensorsOf(parameters);
    change(tensors);
    return matchWeights(parameters, tensors, unetNaming).problems;
  };
  const alter = (name: string, fields: Partial<TensorEntry>) => (tensors: Map<string, TensorEntry>) =>
    void tensors.set(name, { ...tensors.get(name)!, ...fields });

  test('nothing is said of a sound one', () => {
    expect(problemsAfter(() => {})).toEqual([]);
  });

  test('a missing tensor is named with its shape', () => {
    expect(problemsAfter((tensors) => tensors.delete('conv_in.weight'))).toEqual([
      '"conv_in.weight" [32, 4, 3, 3] is missing',
    ]);
  });

  test('a tensor of another shape is named with both shapes', () => {
    expect(problemsAfter(alter('conv_in.weight', { shape: [32, 9, 3, 3] }))).toEqual([
      '"conv_in.weight" is [32, 9, 3, 3], the config asks for [32, 4, 3, 3]',
    ]);
  });

  test('a tensor of a type that the CPU cannot compute with is named with it', () => {
    expect(problemsAfter(alter('conv_in.weight', { dtype: 'BF16' }))).toEqual([
      '"conv_in.weight" is BF16; weights must be F32 or F16',
    ]);
  });

  test('a tensor without a place is named, since the config then describes another network', () => {
    expect(
      problemsAfter(
        alter('add_embedding.linear_1.weight', { name: 'add_embedding.linear_1.weight', shape: [4] }),
      ),
    ).toEqual(['"add_embedding.linear_1.weight" [4] has no place in this network']);
  });

  test('all problems are told at once: a UNet of Stable Diffusion 1 under the config of 2', () => {
    const sd1 = unet({ ...SMALL_UNET, cross_attention_dim: 24 });
    const { problems } = matchWeights(parameters, tensorsOf(sd1.parameters), unetNaming);
    expect(problems).toHaveLength(8);
    expect(problems.every((problem) => /attn2\.to_[kv]\.weight" is \[\d+, 24\]/.test(problem))).toBe(true);
  });

  test('a projection may be stored as a 1x1 convolution or as a matrix', () => {
    const asConv = unet({ ...SMALL_UNET, use_linear_projection: false });
    expect(asConv.parameters.filter(({ storedShape }) => storedShape.join().endsWith(',1,1'))).not.toEqual(
      [],
    );
    expect(matchWeights(parameters, tensorsOf(asConv.parameters), unetNaming).problems).toEqual([]);
  });
});

describe('names that changed over the years', () => {
  const renamed = (
    tensors: Map<string, TensorEntry>,
    rename: (name: string) => string,
  ): Map<string, TensorEntry> =>
    new Map(
      [...tensors.values()].map((entry) => [rename(entry.name), { ...entry, name: rename(entry.name) }]),
    );

  test('of a text encoder: with and without its prefix, with its table of position numbers', () => {
    const { parameters } = text(SMALL_TEXT);
    const tensors = renamed(tensorsOf(parameters), (name) => name.replace('text_model.', ''));
    tensors.set('embeddings.position_ids', {
      name: 'embeddings.position_ids',
      dtype: 'I64',
      shape: [1, 77],
      offset: 0,
      length: 616,
    });
    expect(matchWeights(parameters, tensors, clipTextNaming).problems).toEqual([]);
  });

  test.each([
    ['early diffusers', { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' }],
    [
      'the original checkpoints',
      { to_q: 'q', to_k: 'k', to_v: 'v', 'to_out.0': 'proj_out', group_norm: 'norm' },
    ],
  ])('of a VAE: the attention of %s', (_, names) => {
    const parameters = vae(SMALL_VAE).flatMap((graph) => graph.parameters);
    const tensors = renamed(tensorsOf(parameters), (name) =>
      Object.entries(names).reduce(
        (text, [now, then]) => text.replace(`attentions.0.${now}.`, `attentions.0.${then}.`),
        name,
      ),
    );
    expect(tensors.has('decoder.mid_block.attentions.0.to_q.weight')).toBe(false);
    expect(matchWeights(parameters, tensors, vaeNaming).problems).toEqual([]);
  });

  test('the same tensor under two names is refused', () => {
    const parameters = vae(SMALL_VAE).flatMap((graph) => graph.parameters);
    const tensors = tensorsOf(parameters);
    const now = 'decoder.mid_block.attentions.0.to_q.bias';
    const then = 'decoder.mid_block.attentions.0.query.bias';
    tensors.set(then, { ...tensors.get(now)!, name: then });
    expect(matchWeights(parameters, tensors, vaeNaming).problems).toEqual([
      `"${then}" and "${now}" are the same tensor`,
    ]);
  });
});
