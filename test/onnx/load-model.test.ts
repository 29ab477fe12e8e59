import { mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/paths.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import type { LoadOptions } from '../../workers/render/onnx/load-model.ts';
import { readModelFolder } from '../../workers/render/onnx/model-folder.ts';
import { writeRandomComponent, writeRandomModel } from '../support/random-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CPU: LoadOptions = { device: { kind: 'cpu' }, profile: 'lean', threads: 1 };
const POCKET = join(packageRoot(), 'models', 'pocket-base');

describe('the pocket model', () => {
  test('loads from its published files alone, and runs each network', async () => {
    const model = await loadModel(POCKET, CPU);
    expect(model).toMatchObject({
      name: 'pocket-base',
      inChannels: 4,
      latentChannels: 4,
      latentScale: 8,
      crossAttentionDim: 96,
      peakChannels: 1216,
    });
    expect(model.textEncoderDigest).toBe((await readModelFolder(POCKET)).components.text_encoder.digest);
    const hiddenStates = await model.encodeText(model.tokenize('a red circle'), 0);
    expect(hiddenStates).toHaveLength(77 * 96);
    const noise = await model.predictNoise({
      rows: 1,
      height: 8,
      width: 6,
      sample: new Float32Array(4 * 8 * 6).fill(0.5),
      timesteps: Float32Array.of(500.5),
      hiddenStates,
      classLabels: null,
    });
    expect(noise).toHaveLength(4 * 8 * 6);
    const image = await model.decode(new Float32Array(4 * 8 * 6), 8, 6);
    expect(image).toHaveLength(3 * 64 * 48);
    expect([...hiddenStates, ...noise, ...image].every(Number.isFinite)).toBe(true);
    await model.release();
  });
});

describe('a model', () => {
  test('decodes latents as the sampler leaves them: scaled', async () => {
    const path = await temporaryFolder();
    await writeRandomModel(path);
    const latents = Float32Array.from({ length: 4 * 4 }, (_, i) => Math.sin(i));
    const decodeWith = async (scaling_factor: number, input: Float32Array): Promise<Float32Array> => {
      await writeRandomComponent(path, 'vae', { scaling_factor });
      const model = await loadModel(path, CPU);
      const image = await model.decode(input, 2, 2);
      await model.release();
      return image;
    };
    const plain = await decodeWith(1, latents);
    expect(
      await decodeWith(
        0.5,
        latents.map((value) => value * 0.5),
      ),
    ).toEqual(plain);
    expect(await decodeWith(0.5, latents)).not.toEqual(plain);
  });

  test('in half precision differs from the same in single precision by rounding only', async () => {
    const [single, half] = [await temporaryFolder(), await temporaryFolder()];
    await writeRandomModel(single);
    await writeRandomModel(half, { dtype: 'F16' });
    const hidden = await Promise.all(
      [single, half].map(async (path) => {
        const model = await loadModel(path, CPU);
        const states = await model.encodeText(model.tokenize('a blue square'), 0);
        await model.release();
        return states;
      }),
    );
    const [a, b] = [hidden[0]!, hidden[1]!];
    const worst = Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(0.02);
  });

  test('loads from a download cache, where every file is a symlink', async () => {
    const path = await temporaryFolder();
    await writeRandomModel(path);
    const blobs = await temporaryFolder();
    for (const file of [
      'text_encoder/model',
      'unet/diffusion_pytorch_model',
      'vae/diffusion_pytorch_model',
    ]) {
      const blob = join(blobs, file.replace('/', '-'));
      await rename(join(path, `${file}.safetensors`), blob);
      await symlink(blob, join(path, `${file}.safetensors`));
    }
    const model = await loadModel(path, CPU);
    expect(await model.encodeText(model.tokenize(''), 0)).toHaveLength(77 * 32);
    await model.release();
  });

  test('with wrong tensors is refused before anything is loaded, with each of them', async () => {
    const path = await temporaryFolder();
    await writeRandomModel(path);
    await writeRandomComponent(path, 'text_encoder', { hidden_size: 64 });
    await writeRandomComponent(path, 'unet', { in_channels: 9 });
    await mkdir(join(path, 'other'));
    await writeRandomComponent(join(path, 'other'), 'unet');
    await rename(join(path, 'other', 'unet', 'config.json'), join(path, 'unet', 'config.json'));
    await expect(loadModel(path, CPU)).rejects.toThrow(
      /cannot be loaded: 2 problem\(s\)\n {2}- unet: "conv_in\.weight" is \[32, 9, 3, 3\], .*\n {2}- the UNet's cross_attention_dim/,
    );
  });

  test('is not loaded on the CPU when CUDA was asked for', async () => {
    const cuda: LoadOptions = { device: { kind: 'cuda', deviceId: 4711 }, profile: 'fast' };
    await expect(loadModel(POCKET, cuda)).rejects.toThrow(
      /could not be loaded on CUDA device 4711 .*setup:cuda/,
    );
  });
});
