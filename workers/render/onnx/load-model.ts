/** A published model folder -> what the denoising loop runs on. Needs nothing but the published files. */
import { sampleBytes } from '../../../src/domain/batch-limits.ts';
import type { DepthEstimator, LoadedModel } from '../diffusion/loaded-model.ts';
import type { ClipTokenizer } from '../diffusion/tokenizer.ts';
import { ComponentPool } from './component-pool.ts';
import type { Held } from './component-pool.ts';
import { readModelFolder } from './model-folder.ts';
import type { Component, ModelFolder, ModelFolderOptions } from './model-folder.ts';
import { planModel } from './model-plan.ts';
import type { ModelPlan } from './model-plan.ts';
import type { Plan } from './networks.ts';
import { noisePredictor } from './noise-predictor.ts';
import type { SessionOptions } from './session.ts';
import { peakChannels } from './unet-memory.ts';
import { vaeDecoder } from './vae-decoder.ts';

/** The upscaler's pipeline sets it whatever the VAE's config says; older configs do not state it at all. */
const UPSCALER_SCALING_FACTOR = 0.08333;

export type LoadOptions = SessionOptions & ModelFolderOptions;

/** A model whose parts are spoken for, but not in memory yet unless another model has them there. */
export interface PreparedModel {
  /** Of all its weights, shared or not. */
  readonly memoryBytes: number;
  /** That one sample at its default size takes beyond the weights. */
  readonly workBytes: number;
  /** @throws ModelError naming the missing device, or the weights that the runtime refuses */
  open(): Promise<LoadedModel>;
  /** Gives the parts back; also those of a model that was opened. */
  release(): Promise<void>;
}

/**
 * Checks everything, then opens the sessions that every job needs.
 * @param dir a folder with a model_index.json
 * @throws ModelError naming the file, tensor or key, or the missing device; nothing stays loaded then
 */
export async function loadModel(dir: string, options: LoadOptions): Promise<LoadedModel> {
  const prepared = await prepareModel(dir, new ComponentPool(options), options);
  try {
    return await prepared.open();
  } catch (error) {
    await prepared.release();
    throw error;
  }
}

/** @throws ModelError naming the file, tensor or key; then nothing is spoken for */
export async function prepareModel(
  dir: string,
  pool: ComponentPool,
  options: LoadOptions,
): Promise<PreparedModel> {
  const folder = await readModelFolder(dir, options);
  const { tokenizer, release: releaseTokenizer } = await pool.takeTokenizer(folder.files.tokenizer);
  const taken: Pick<Held<string>, 'release'>[] = [];
  const release = async (): Promise<void> => {
    releaseTokenizer();
    for (const part of taken) await part.release();
  };
  try {
    const plan = await planModel(folder, tokenizer);
    const parts = await takeParts({ folder, plan, pool, taken });
    const { config } = plan.unet;
    return {
      memoryBytes: folder.memoryBytes,
      workBytes: sampleBytes({
        device: options.device.kind,
        peakChannels: peakChannels(config),
        latentHeight: config.sampleSize,
        latentWidth: config.sampleSize,
      }),
      open: () => open({ folder, plan, parts, tokenizer, device: options.device.kind, release }),
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

interface Parts {
  readonly textEncoder: Held<'encoder'>;
  readonly unet: Held<'unet'>;
  readonly vae: Held<keyof ModelPlan['vae']['graphs']>;
  readonly depthEstimator: Held<'estimator'> | null;
}

interface Taking {
  readonly folder: ModelFolder;
  readonly plan: ModelPlan;
  readonly pool: ComponentPool;
  /** Grows with each part, so that they can be given back when a later one fails. */
  readonly taken: Pick<Held<string>, 'release'>[];
}

async function takeParts({ folder, plan, pool, taken }: Taking): Promise<Parts> {
  const take = async <C, N extends string>(component: Component, its: Plan<C, N>): Promise<Held<N>> => {
    const held = await pool.take(component, its);
    taken.push(held);
    return held;
  };
  const { text_encoder, unet, vae, depth_estimator } = folder.components;
  return {
    textEncoder: await take(text_encoder, plan.textEncoder),
    unet: await take(unet, plan.unet),
    vae: await take(vae, plan.vae),
    depthEstimator:
      depth_estimator && plan.depthEstimator ? await take(depth_estimator, plan.depthEstimator) : null,
  };
}

interface Opening {
  readonly folder: ModelFolder;
  readonly plan: ModelPlan;
  readonly parts: Parts;
  readonly tokenizer: ClipTokenizer;
  readonly device: 'cpu' | 'cuda';
  readonly release: () => Promise<void>;
}

async function open({ folder, plan, parts, tokenizer, device, release }: Opening): Promise<LoadedModel> {
  const { textEncoder, unet, vae, settings } = plan;
  const { latentChannels, latentScale, imageChannels } = vae.config;
  const scalingFactor = folder.kinds.includes('upscale') ? UPSCALER_SCALING_FACTOR : vae.config.scalingFactor;
  const encoder = await parts.textEncoder.session('encoder');
  await parts.vae.session('decoder');
  const decode = vaeDecoder((graph) => parts.vae.session(graph), vae.config);
  return {
    name: folder.name,
    kinds: folder.kinds,
    textEncoderDigest: parts.textEncoder.key,
    textEncoderLayers: textEncoder.config.layers,
    vaeDigest: parts.vae.key,
    inChannels: unet.config.inChannels,
    latentChannels,
    latentScale,
    scalingFactor,
    crossAttentionDim: unet.config.crossAttentionDim,
    peakChannels: peakChannels(unet.config),
    noiseSchedule: settings.noiseSchedule,
    depth: depthEstimator(parts, plan),
    lowResSchedule: settings.lowResSchedule,
    maxNoiseLevel: folder.maxNoiseLevel,
    tokenize: (text) => tokenizer.encode(text),
    encodeText: (ids, clipSkip) =>
      encoder.run({
        input_ids: { data: ids, dims: [1, textEncoder.config.positions] },
        clip_skip: { data: Int32Array.of(clipSkip), dims: [] },
      }),
    predictNoise: noisePredictor(await parts.unet.session('unet'), {
      ...unet.config,
      positions: textEncoder.config.positions,
      rowByRow: device === 'cpu' && parts.unet.profile === 'lean',
    }),
    decode: (latents, height, width) =>
      decode({ data: latents.map((value) => value / scalingFactor), height, width }),
    encode: async (pixels, height, width) => {
      const session = await parts.vae.session('encoder');
      return session.run({ sample: { data: pixels, dims: [1, imageChannels, height, width] } });
    },
    release,
  };
}

function depthEstimator(parts: Parts, { depthEstimator: plan, settings }: ModelPlan): DepthEstimator | null {
  const { depthEstimator: held } = parts;
  if (held === null || plan === null || settings.depthProcessor === null) return null;
  const { imageChannels, side } = plan.config;
  return {
    ...settings.depthProcessor,
    estimate: async (pixels) => {
      const session = await held.session('estimator');
      return session.run({ pixel_values: { data: pixels, dims: [1, imageChannels, side, side] } });
    },
  };
}
