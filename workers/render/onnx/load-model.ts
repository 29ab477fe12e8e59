/** A published model folder -> what the denoising loop runs on. Needs nothing but the published files. */
import { dirname } from 'node:path';
import type { LoadedModel } from '../diffusion/loaded-model.ts';
import { ClipTokenizer } from '../diffusion/tokenizer.ts';
import type { Graph } from './graph.ts';
import { readModelFolder } from './model-folder.ts';
import type { ModelFolderOptions } from './model-folder.ts';
import { planModel, readNoiseSchedule } from './model-plan.ts';
import type { ModelPlan } from './model-plan.ts';
import type { Plan } from './networks.ts';
import { noisePredictor } from './noise-predictor.ts';
import { createSession } from './session.ts';
import type { Session, SessionOptions } from './session.ts';
import { bindWeights } from './weights.ts';

/**
 * Mapping weights in place pays off when there are many. Below this a private copy is nothing, and the profile
 * `fast` takes a third off a small network's steps.
 */
const ALWAYS_FAST_BYTES = 64 * 1024 * 1024;

export type LoadOptions = SessionOptions & ModelFolderOptions;

/**
 * Checks everything, then opens one session per network.
 * @param dir a folder with a model_index.json
 * @throws ModelError naming the file, tensor or key, or the missing device; nothing stays loaded then
 */
export async function loadModel(dir: string, options: LoadOptions): Promise<LoadedModel> {
  const folder = await readModelFolder(dir, options);
  const tokenizer = await ClipTokenizer.fromFolder(folder.tokenizerFolder);
  const plan = planModel(folder, tokenizer);
  const { textEncoder, unet, vae } = plan;
  const noiseSchedule = await readNoiseSchedule(folder.noiseSchedulePath);
  const profile = folder.bytes <= ALWAYS_FAST_BYTES ? 'fast' : options.profile;
  const sessions = await openSessions(plan, { ...options, profile });
  const { latentChannels, latentScale, scalingFactor } = vae.config;
  return {
    name: folder.name,
    kinds: folder.kinds,
    vaeDigest: folder.componentDigests.vae,
    scalingFactor,
    depth: null,
    lowResSchedule: null,
    maxNoiseLevel: null,
    textEncoderDigest: folder.componentDigests.text_encoder,
    textEncoderLayers: textEncoder.config.layers,
    inChannels: unet.config.inChannels,
    latentChannels,
    latentScale,
    crossAttentionDim: unet.config.crossAttentionDim,
    baseChannels: unet.config.down[0]!.channels,
    noiseSchedule,
    tokenize: (text) => tokenizer.encode(text),
    encodeText: (ids, clipSkip) =>
      sessions.textEncoder.run({
        input_ids: { data: ids, dims: [1, textEncoder.config.positions] },
        clip_skip: { data: Int32Array.of(clipSkip), dims: [] },
      }),
    predictNoise: noisePredictor(sessions.unet, {
      ...unet.config,
      positions: textEncoder.config.positions,
      rowByRow: options.device.kind === 'cpu' && profile === 'lean',
    }),
    decode: (latents, height, width) =>
      sessions.decoder.run({
        latent_sample: {
          data: latents.map((value) => value / scalingFactor),
          dims: [1, latentChannels, height, width],
        },
      }),
    encode: (pixels, height, width) =>
      sessions.encoder.run({
        sample: { data: pixels, dims: [1, vae.config.imageChannels, height, width] },
      }),
    release: () => releaseAll(Object.values(sessions)),
  };
}

interface Sessions {
  readonly textEncoder: Session;
  readonly unet: Session;
  readonly decoder: Session;
  readonly encoder: Session;
}

async function openSessions(plan: ModelPlan, options: SessionOptions): Promise<Sessions> {
  const opened: Session[] = [];
  const openOne = async <C, N extends string>(component: Plan<C, N>, graph: Graph): Promise<Session> => {
    const { weights } = component.files;
    const bytes = bindWeights(graph, weights, component.match.found);
    const model = { name: weights.path, bytes, weightsFolder: dirname(weights.path) };
    const session = await createSession(model, options);
    opened.push(session);
    return session;
  };
  try {
    return {
      textEncoder: await openOne(plan.textEncoder, plan.textEncoder.graphs.encoder),
      unet: await openOne(plan.unet, plan.unet.graphs.unet),
      decoder: await openOne(plan.vae, plan.vae.graphs.decoder),
      encoder: await openOne(plan.vae, plan.vae.graphs.encoder),
    };
  } catch (error) {
    await releaseAll(opened);
    throw error;
  }
}

async function releaseAll(sessions: readonly Session[]): Promise<void> {
  for (const session of sessions) await session.release();
}
