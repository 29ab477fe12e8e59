/** `text_encoder-*`, `unet-*`, `vae-*`, `depth_estimator-*`: one network each, with its inputs and outputs. */
import { join } from 'node:path';
import {
  openSafetensors,
  readTensor,
  type SafetensorsFile,
} from '../../../workers/render/onnx/safetensors.ts';
import type { Feed } from '../../../workers/render/onnx/session.ts';
import { maxAbsError, readInt64 } from '../files.ts';
import type { GoldenCase, Kind } from '../golden-case.ts';
import { openNetwork, type NetworkName } from '../network.ts';

const TOLERANCES: Readonly<Record<NetworkName, number>> = {
  depth_estimator: 2e-3,
  text_encoder: 1e-4,
  unet: 1e-3,
  vae_decoder: 2e-3,
  vae_encoder: 2e-3,
};

export const textEncoders: Kind = {
  matches: (entry) => entry.startsWith('text_encoder-'),
  async cases(root, entry) {
    const folder = join(root.dir, entry);
    const io = await openIo(folder);
    const inputs = async (): Promise<Feeds> => {
      const { dims, data } = await readInt64(io, 'input_ids');
      return {
        input_ids: { dims, data: Int32Array.from(data, Number) },
        clip_skip: { dims: [], data: Int32Array.of(0) },
      };
    };
    return [
      networkCase({ name: entry, folder, network: 'text_encoder', io, inputs, output: 'last_hidden_state' }),
    ];
  },
};

export const unets: Kind = {
  matches: (entry) => entry.startsWith('unet-'),
  async cases(root, entry) {
    const folder = join(root.dir, entry);
    const io = await openIo(folder);
    return sizesOf(io).map((size) => {
      const inputs = async (): Promise<Feeds> => ({
        sample: await feed(io, `${size}.sample`),
        timestep: await feed(io, `${size}.timestep`),
        encoder_hidden_states: await feed(io, `${size}.encoder_hidden_states`),
        ...(io.tensors.has(`${size}.class_labels`)
          ? { class_labels: await readInt64(io, `${size}.class_labels`) }
          : {}),
      });
      const output = `${size}.out_sample`;
      return networkCase({ name: `${entry}/${size}`, folder, network: 'unet', io, inputs, output });
    });
  },
};

export const vaes: Kind = {
  matches: (entry) => entry.startsWith('vae-'),
  async cases(root, entry) {
    const folder = join(root.dir, entry);
    const io = await openIo(folder);
    return sizesOf(io).flatMap((size) => [
      networkCase({
        name: `${entry}/${size}/decode`,
        folder,
        network: 'vae_decoder',
        io,
        inputs: async () => ({ latent_sample: await feed(io, `${size}.latent`) }),
        output: `${size}.decoded`,
      }),
      networkCase({
        name: `${entry}/${size}/encode`,
        folder,
        network: 'vae_encoder',
        io,
        inputs: async () => ({ sample: await feed(io, `${size}.sample`) }),
        output: `${size}.moments`,
      }),
    ]);
  },
};

export const depthEstimators: Kind = {
  matches: (entry) => entry.startsWith('depth_estimator-'),
  async cases(root, entry) {
    const folder = join(root.dir, entry);
    const io = await openIo(folder);
    const inputs = async (): Promise<Feeds> => ({ pixel_values: await feed(io, 'pixel_values') });
    const output = 'predicted_depth';
    return [networkCase({ name: entry, folder, network: 'depth_estimator', io, inputs, output })];
  },
};

type Feeds = Readonly<Record<string, Feed>>;

interface NetworkCase {
  readonly name: string;
  readonly folder: string;
  readonly network: NetworkName;
  readonly io: SafetensorsFile;
  readonly inputs: () => Promise<Feeds>;
  readonly output: string;
}

function networkCase({ name, folder, network, io, inputs, output }: NetworkCase): GoldenCase {
  return {
    name,
    tolerance: TOLERANCES[network],
    measure: async () => {
      const session = await openNetwork(folder, network);
      try {
        return { error: maxAbsError(await session.run(await inputs()), await readTensor(io, output)) };
      } finally {
        await session.release();
      }
    },
  };
}

function openIo(folder: string): Promise<SafetensorsFile> {
  return openSafetensors(join(folder, 'io.safetensors'));
}

/** Tensors are named `<size>.<tensor>`. */
function sizesOf(io: SafetensorsFile): string[] {
  return [...new Set([...io.tensors.keys()].map((name) => name.split('.')[0] ?? name))].toSorted();
}

async function feed(io: SafetensorsFile, name: string): Promise<Feed> {
  return { data: await readTensor(io, name), dims: io.tensors.get(name)?.shape ?? [] };
}
