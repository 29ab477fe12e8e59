/** The networks of the pipelines, by component: how each reads its config and what it wants of its file. */
import { clipTextGraph, clipTextNaming, parseClipTextConfig } from './clip-text.ts';
import type { ClipTextConfig } from './clip-text.ts';
import type { ComponentFiles } from './component-files.ts';
import { parseDptConfig } from './dpt-config.ts';
import type { DptConfig } from './dpt-config.ts';
import { dptGraph, dptNaming } from './dpt.ts';
import { parametersOf } from './graph.ts';
import type { Graph } from './graph.ts';
import { parseUnetConfig } from './unet-config.ts';
import type { UnetConfig } from './unet-config.ts';
import { unetGraph, unetNaming } from './unet.ts';
import { parseVaeConfig, vaeDecoderGraph, vaeEncoderGraph, vaeNaming, vaeTileDecoderGraph } from './vae.ts';
import type { VaeConfig } from './vae.ts';
import { matchWeights } from './weights.ts';
import type { TensorNaming, WeightMatch } from './weights.ts';

/** A component ready to be loaded, if `match` has no problems. */
export interface Plan<Config, GraphName extends string> {
  readonly files: ComponentFiles;
  readonly config: Config;
  readonly graphs: Readonly<Record<GraphName, Graph>>;
  readonly match: WeightMatch;
}

export interface Network<Config, GraphName extends string> {
  readonly parse: (json: unknown, where: string) => Config;
  /** All graphs that read the component's file: together they must account for every tensor in it. */
  readonly graphs: (config: Config) => Record<GraphName, Graph>;
  readonly naming: TensorNaming;
}

export const TEXT_ENCODER: Network<ClipTextConfig, 'encoder'> = {
  parse: parseClipTextConfig,
  graphs: (config) => ({ encoder: clipTextGraph(config) }),
  naming: clipTextNaming,
};

export const UNET: Network<UnetConfig, 'unet'> = {
  parse: parseUnetConfig,
  graphs: (config) => ({ unet: unetGraph(config) }),
  naming: unetNaming,
};

export const VAE: Network<VaeConfig, 'decoder' | 'tileDecoder' | 'encoder'> = {
  parse: parseVaeConfig,
  graphs: (config) => ({
    decoder: vaeDecoderGraph(config),
    tileDecoder: vaeTileDecoderGraph(config),
    encoder: vaeEncoderGraph(config),
  }),
  naming: vaeNaming,
};

export const DEPTH_ESTIMATOR: Network<DptConfig, 'estimator'> = {
  parse: parseDptConfig,
  graphs: (config) => ({ estimator: dptGraph(config) }),
  naming: dptNaming,
};

/** Pure: nothing is loaded. @throws ModelError when the config asks for something Kiln cannot compute */
export function planComponent<Config, GraphName extends string>(
  network: Network<Config, GraphName>,
  files: ComponentFiles,
): Plan<Config, GraphName> {
  const config = network.parse(files.config, files.configPath);
  const graphs = network.graphs(config);
  const parameters = parametersOf(Object.values<Graph>(graphs));
  return { files, config, graphs, match: matchWeights(parameters, files.weights.tensors, network.naming) };
}
