/** Stable Diffusion's networks at full size, and the pieces of work that each is measured with. */
import { DEPTH_ESTIMATOR, TEXT_ENCODER, UNET, VAE } from '../../workers/render/onnx/networks.ts';
import { noisePredictor } from '../../workers/render/onnx/noise-predictor.ts';
import type { Graph } from '../../workers/render/onnx/graph.ts';
import type { Feed, Session } from '../../workers/render/onnx/session.ts';
import type { UnetConfig } from '../../workers/render/onnx/unet-config.ts';
import type { TensorNaming } from '../../workers/render/onnx/weights.ts';
import {
  DPT_HYBRID,
  SD1_UNET,
  SD2_DEPTH_UNET,
  SD2_INPAINT_UNET,
  SD2_TEXT,
  SD2_UNET,
  SD_VAE,
  X4_UNET,
} from '../../test/support/stable-diffusion.ts';
import { countFlops } from '../flops/count-flops.ts';
import { waves } from '../waves.ts';

export interface FullSizeNetwork {
  readonly graph: Graph;
  readonly naming: TensorNaming;
  /** The first run after a load reads the weights from their file: this small one goes before all others. */
  readonly warmUp: Work;
  readonly works: readonly Work[];
}

export interface Work {
  readonly name: string;
  readonly flops: number;
  /** Gives back what the network said. */
  readonly run: (session: Session, rowByRow: boolean) => Promise<Float32Array>;
}

const POSITIONS = 77;
/** With and without the prompt. */
const GUIDED_ROWS = 2;
const TIMESTEP = 500;
/** Of the upscaler: how much noise the low-resolution image has. */
const NOISE_LEVEL = 20;
/** Pixels of output. */
const SIDES = [256, 512];
const WARM_UP_SIDE = 64;
/** Pixels per latent cell and side. */
const F8 = 8;
const X4 = 4;

export const TEXT_ENCODER_NAME = 'SD 2 text encoder';

/** In the order in which they are measured. */
const NETWORKS: ReadonlyMap<string, () => FullSizeNetwork> = new Map([
  ['SD 1.5', () => unet(SD1_UNET, F8)],
  ['SD 2.1', () => unet(SD2_UNET, F8)],
  ['SD 2 inpaint', () => unet(SD2_INPAINT_UNET, F8)],
  ['SD 2 depth', () => unet(SD2_DEPTH_UNET, F8)],
  ['x4 upscaler', () => unet(X4_UNET, X4)],
  [TEXT_ENCODER_NAME, textEncoder],
  ['f8 VAE', decoder],
  ['depth estimator', depthEstimator],
]);
export const NETWORK_NAMES = [...NETWORKS.keys()];

export function fullSizeNetwork(name: string): FullSizeNetwork {
  const make = NETWORKS.get(name);
  if (make === undefined) throw new Error(`there is no network ${name}, only ${NETWORK_NAMES.join(', ')}`);
  return make();
}

function unet(json: object, scale: number): FullSizeNetwork {
  const config = UNET.parse(json, 'UNet');
  const { unet: graph } = UNET.graphs(config);
  const step = (side: number): Work => guidedStep(graph, config, { side, scale });
  return { graph, naming: UNET.naming, warmUp: step(WARM_UP_SIDE), works: SIDES.map(step) };
}

interface Picture {
  readonly side: number;
  readonly scale: number;
}

function guidedStep(graph: Graph, config: UnetConfig, { side, scale }: Picture): Work {
  const cells = side / scale;
  const { inChannels, crossAttentionDim, classes } = config;
  const rowDims = {
    sample: [1, inChannels, cells, cells],
    timestep: [1],
    encoder_hidden_states: [1, POSITIONS, crossAttentionDim],
    class_labels: [1],
  };
  const input = {
    rows: GUIDED_ROWS,
    height: cells,
    width: cells,
    sample: waves(GUIDED_ROWS * inChannels * cells * cells),
    timesteps: new Float32Array(GUIDED_ROWS).fill(TIMESTEP),
    hiddenStates: waves(GUIDED_ROWS * POSITIONS * crossAttentionDim),
    classLabels: classes === undefined ? null : new Int32Array(GUIDED_ROWS).fill(NOISE_LEVEL),
  };
  return {
    name: `guided step ${side}x${side}`,
    flops: GUIDED_ROWS * countFlops(graph, rowDims),
    run: (session, rowByRow) => noisePredictor(session, { ...config, positions: POSITIONS, rowByRow })(input),
  };
}

function textEncoder(): FullSizeNetwork {
  const { encoder: graph } = TEXT_ENCODER.graphs(TEXT_ENCODER.parse(SD2_TEXT, 'text encoder'));
  const work = oneRun('one prompt', graph, {
    input_ids: { data: Int32Array.from({ length: POSITIONS }, (_, i) => i), dims: [1, POSITIONS] },
    clip_skip: { data: Int32Array.of(0), dims: [] },
  });
  return { graph, naming: TEXT_ENCODER.naming, warmUp: work, works: [work] };
}

function decoder(): FullSizeNetwork {
  const { decoder: graph } = VAE.graphs(VAE.parse(SD_VAE, 'VAE'));
  const decoding = (side: number): Work =>
    oneRun(`decoding ${side}x${side}`, graph, { latent_sample: map(4, side / F8) });
  return {
    graph,
    naming: VAE.naming,
    warmUp: decoding(WARM_UP_SIDE),
    works: SIDES.map(decoding),
  };
}

function depthEstimator(): FullSizeNetwork {
  const config = DEPTH_ESTIMATOR.parse(DPT_HYBRID, 'depth estimator');
  const { estimator: graph } = DEPTH_ESTIMATOR.graphs(config);
  const work = oneRun('one image', graph, { pixel_values: map(config.imageChannels, config.side) });
  return { graph, naming: DEPTH_ESTIMATOR.naming, warmUp: work, works: [work] };
}

function oneRun(name: string, graph: Graph, feeds: Readonly<Record<string, Feed>>): Work {
  const dims = Object.fromEntries(Object.entries(feeds).map(([input, feed]) => [input, feed.dims]));
  return { name, flops: countFlops(graph, dims), run: (session) => session.run(feeds) };
}

/** `[1, channels, side, side]` */
function map(channels: number, side: number): Feed {
  return { data: waves(channels * side * side), dims: [1, channels, side, side] };
}
