/** One network from its `config.json` and weight file, in a session of its own. */
import { dirname, join } from 'node:path';
import type { ComponentFiles, ComponentName } from '../../workers/render/onnx/component-files.ts';
import type { Graph } from '../../workers/render/onnx/graph.ts';
import {
  DEPTH_ESTIMATOR,
  planComponent,
  TEXT_ENCODER,
  UNET,
  VAE,
} from '../../workers/render/onnx/networks.ts';
import { openSafetensors } from '../../workers/render/onnx/safetensors.ts';
import { createSession, type Session } from '../../workers/render/onnx/session.ts';
import { bindWeights, type WeightMatch } from '../../workers/render/onnx/weights.ts';
import { entriesOf, readJson } from './files.ts';

export type NetworkName = 'depth_estimator' | 'text_encoder' | 'unet' | 'vae_decoder' | 'vae_encoder';

/** Rejects when the folder has no weight file, or one that does not fit its config. */
export async function openNetwork(folder: string, name: NetworkName): Promise<Session> {
  const { graph, match, files } = await plan(folder, name);
  const { path } = files.weights;
  if (match.problems.length > 0)
    throw new Error(`${path} does not fit its config: ${match.problems.join(', ')}`);
  return createSession(
    { name, bytes: bindWeights(graph, files.weights, match.found), weightsFolder: dirname(path) },
    { device: { kind: 'cpu' }, profile: 'lean' },
  );
}

interface NetworkPlan {
  readonly files: ComponentFiles;
  readonly graph: Graph;
  readonly match: WeightMatch;
}

async function plan(folder: string, name: NetworkName): Promise<NetworkPlan> {
  switch (name) {
    case 'depth_estimator': {
      const { files, graphs, match } = planComponent(
        DEPTH_ESTIMATOR,
        await filesOf(folder, 'depth_estimator'),
      );
      return { files, match, graph: graphs.estimator };
    }
    case 'text_encoder': {
      const { files, graphs, match } = planComponent(TEXT_ENCODER, await filesOf(folder, 'text_encoder'));
      return { files, match, graph: graphs.encoder };
    }
    case 'unet': {
      const { files, graphs, match } = planComponent(UNET, await filesOf(folder, 'unet'));
      return { files, match, graph: graphs.unet };
    }
    case 'vae_decoder':
    case 'vae_encoder': {
      const { files, graphs, match } = planComponent(VAE, await filesOf(folder, 'vae'));
      return { files, match, graph: name === 'vae_decoder' ? graphs.decoder : graphs.encoder };
    }
  }
}

async function filesOf(folder: string, name: ComponentName): Promise<ComponentFiles> {
  const configPath = join(folder, 'config.json');
  const weights = (await entriesOf(folder)).find(
    (entry) => entry.endsWith('.safetensors') && entry !== 'io.safetensors',
  );
  if (weights === undefined) throw new Error(`${folder} has no weight file`);
  const config = await readJson(configPath);
  return { name, configPath, config, weights: await openSafetensors(join(folder, weights)) };
}
