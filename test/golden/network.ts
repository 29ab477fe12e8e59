/** One network from its `config.json` and weight file, in a session of its own. */
import { dirname, join } from 'node:path';
import { clipTextGraph, clipTextNaming, parseClipTextConfig } from '../../workers/render/onnx/clip-text.ts';
import type { Graph } from '../../workers/render/onnx/graph.ts';
import { openSafetensors } from '../../workers/render/onnx/safetensors.ts';
import { createSession, type Session } from '../../workers/render/onnx/session.ts';
import { parseUnetConfig } from '../../workers/render/onnx/unet-config.ts';
import { unetGraph, unetNaming } from '../../workers/render/onnx/unet.ts';
import {
  parseVaeConfig,
  vaeDecoderGraph,
  vaeEncoderGraph,
  vaeNaming,
} from '../../workers/render/onnx/vae.ts';
import { bindWeights, matchWeights, type TensorNaming } from '../../workers/render/onnx/weights.ts';
import { entriesOf, readJson } from './files.ts';

export type NetworkName = 'text_encoder' | 'unet' | 'vae_decoder' | 'vae_encoder';

interface Network {
  /** All graphs that share the weight file, the wanted one first. */
  readonly graphs: (json: unknown, where: string) => readonly [Graph, ...Graph[]];
  readonly naming: TensorNaming;
}

const NETWORKS: Readonly<Record<NetworkName, Network>> = {
  text_encoder: {
    graphs: (json, where) => [clipTextGraph(parseClipTextConfig(json, where))],
    naming: clipTextNaming,
  },
  unet: { graphs: (json, where) => [unetGraph(parseUnetConfig(json, where))], naming: unetNaming },
  vae_decoder: {
    graphs: (json, where) => {
      const config = parseVaeConfig(json, where);
      return [vaeDecoderGraph(config), vaeEncoderGraph(config)];
    },
    naming: vaeNaming,
  },
  vae_encoder: {
    graphs: (json, where) => {
      const config = parseVaeConfig(json, where);
      return [vaeEncoderGraph(config), vaeDecoderGraph(config)];
    },
    naming: vaeNaming,
  },
};

/** Rejects when the folder has no weight file, or one that does not fit its config. */
export async function openNetwork(folder: string, name: NetworkName): Promise<Session> {
  const { graphs: build, naming } = NETWORKS[name];
  const configPath = join(folder, 'config.json');
  const graphs = build(await readJson(configPath), configPath);
  const weights = await openSafetensors(await weightFile(folder));
  const parameters = graphs.flatMap((graph) => graph.parameters);
  const { found, problems } = matchWeights(parameters, weights.tensors, naming);
  if (problems.length > 0) throw new Error(`${weights.path} does not fit its config: ${problems.join(', ')}`);
  return createSession(
    { name, bytes: bindWeights(graphs[0], weights, found), weightsFolder: dirname(weights.path) },
    { device: { kind: 'cpu' }, profile: 'lean' },
  );
}

async function weightFile(folder: string): Promise<string> {
  const names = await entriesOf(folder);
  const name = names.find((entry) => entry.endsWith('.safetensors') && entry !== 'io.safetensors');
  if (name === undefined) throw new Error(`${folder} has no weight file`);
  return join(folder, name);
}
