import { cp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JobKind } from '../../src/domain/job.ts';
import { findModels, listComponents, readModelFolder } from '../../workers/render/onnx/model-folder.ts';
import { verifyModelFolder } from '../../workers/render/onnx/verify-model.ts';
import { writeTinyModel, type TinyKind } from '../support/tiny-models.ts';
import { writeRandomComponent, writeRandomModel } from '../support/random-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

async function randomModel(): Promise<string> {
  const folder = join(await temporaryFolder(), 'some-model');
  await writeRandomModel(folder);
  return folder;
}

describe('a published folder', () => {
  test('tells what it is and can do', async () => {
    const folder = await readModelFolder(await randomModel());
    expect(folder).toMatchObject({
      name: 'some-model',
      kinds: ['txt2img', 'img2img', 'inpaint'],
      defaultWidth: 16,
      defaultHeight: 16,
    });
    expect(folder.bytes).toBe(
      listComponents(folder.components).reduce((sum, { weights }) => sum + weights.bytes, 0),
    );
  });

  test.each<[TinyKind, JobKind[], number]>([
    ['base', ['txt2img', 'img2img', 'inpaint'], 64],
    ['inpaint', ['inpaint'], 64],
    ['depth', ['depth'], 64],
    ['upscale', ['upscale'], 32],
  ])('of the architecture "%s" does %j', async (kind, kinds, side) => {
    const path = await temporaryFolder();
    await writeTinyModel(path, kind);
    expect(await readModelFolder(path)).toMatchObject({
      kinds,
      defaultWidth: side,
      defaultHeight: side,
      maxNoiseLevel: kind === 'upscale' ? 350 : null,
    });
    expect(await verifyModelFolder(path)).toMatchObject({ kinds, isSound: true });
  });

  test.each([
    [
      '{"_class_name":"StableDiffusionXLPipeline"}',
      {},
      /model_index\.json: "_class_name": StableDiffusionXLPipeline is not a pipeline that Kiln knows: Stable/,
    ],
    [
      '{"_class_name":"StableDiffusionPipeline"}',
      { in_channels: 8 },
      /unet\/config\.json: "in_channels": 8: a StableDiffusionPipeline has a UNet of 4 or 9 channels/,
    ],
    [
      '{"_class_name":"StableDiffusionPipeline"}',
      { num_class_embeds: 10 },
      /"num_class_embeds": 10: only the UNets of upscalers have class embeddings/,
    ],
    [
      '{"_class_name":"StableDiffusionUpscalePipeline"}',
      { in_channels: 7, num_class_embeds: 300 },
      /"num_class_embeds": 300: an upscaler needs one for each noise level, 0 to 350/,
    ],
    [
      '{"_class_name":"StableDiffusionUpscalePipeline","max_noise_level":-1}',
      { in_channels: 7 },
      /"max_noise_level": -1 must be a whole number of at least 0/,
    ],
  ])('that says %s, with a UNet of %j, is refused with the reason', async (index, unet, message) => {
    const path = await randomModel();
    await writeRandomComponent(path, 'unet', unet);
    await writeFile(join(path, 'model_index.json'), index);
    await expect(readModelFolder(path)).rejects.toThrow(message);
    const { isSound, parts } = await verifyModelFolder(path);
    expect(isSound).toBe(false);
    expect(parts[0]).toEqual({ name: 'model_index.json', problems: [expect.stringMatching(message)] });
  });

  test('of a model that does depth needs its depth estimator', async () => {
    const path = await temporaryFolder();
    await writeTinyModel(path, 'depth');
    await rm(join(path, 'depth_estimator'), { recursive: true });
    await expect(readModelFolder(path)).rejects.toThrow(
      /depth_estimator\/config\.json: there is no such file/,
    );
  });

  test('offers the wanted variant of a component, else the plain file, else the half-precision one', async () => {
    const path = await randomModel();
    const weightsOf = async (variant?: string): Promise<string> => {
      const { components } = await readModelFolder(path, variant === undefined ? {} : { variant });
      return components.unet.weights.path.split('/').at(-1)!;
    };
    const half = 'diffusion_pytorch_model.fp16.safetensors';
    await cp(join(path, 'unet', WEIGHTS), join(path, 'unet', half));
    expect([await weightsOf('fp16'), await weightsOf(), await weightsOf('ema')]).toEqual([
      half,
      WEIGHTS,
      WEIGHTS,
    ]);
    await rm(join(path, 'unet', WEIGHTS));
    expect(await weightsOf()).toBe(half);
  });

  test.each([
    [
      'diffusion_pytorch_model.bin',
      /unet: has only diffusion_pytorch_model\.bin: pickled weights can run code/,
    ],
    ['diffusion_pytorch_model.safetensors.index.json', /unet: the weights are split into shards/],
    [
      'something.else',
      /unet: has none of diffusion_pytorch_model\.safetensors, diffusion_pytorch_model\.fp16/,
    ],
  ])('with %s for weights is refused', async (name, message) => {
    const path = await randomModel();
    await rename(join(path, 'unet', WEIGHTS), join(path, 'unet', name));
    await expect(readModelFolder(path)).rejects.toThrow(message);
  });

  test('without a readable index or config is refused with the path', async () => {
    const path = await randomModel();
    await writeFile(join(path, 'vae', 'config.json'), '{');
    await expect(readModelFolder(path)).rejects.toThrow(/vae\/config\.json: cannot be read as JSON/);
    await writeFile(join(path, 'model_index.json'), '{}');
    await expect(readModelFolder(path)).rejects.toThrow(/model_index\.json: names no _class_name/);
  });
});

test('in half precision a model takes half the space on disk, but not in memory', async () => {
  const [single, half] = [await temporaryFolder(), await temporaryFolder()];
  await writeRandomModel(single);
  await writeRandomModel(half, { dtype: 'F16' });
  const [a, b] = [await readModelFolder(single), await readModelFolder(half)];
  expect(b.memoryBytes).toBe(a.memoryBytes);
  expect(b.bytes).toBeLessThan(0.6 * a.bytes);
});

describe('the digest', () => {
  test('is the same for the same files elsewhere, also behind symlinks', async () => {
    const path = await randomModel();
    const copy = join(await temporaryFolder(), 'copy');
    await cp(path, copy, { recursive: true });
    const link = join(await temporaryFolder(), 'link');
    await symlink(path, link);
    const { digest } = await readModelFolder(path);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect((await readModelFolder(copy)).digest).toBe(digest);
    expect((await readModelFolder(link)).digest).toBe(digest);
  });

  test("of a component changes with its weights or config alone; the model's with any of its files", async () => {
    const path = await randomModel();
    const before = await readModelFolder(path);
    await writeRandomComponent(path, 'vae', {}, { seed: 2 });
    const reweighted = await readModelFolder(path);
    expect(reweighted.components.vae.digest).not.toBe(before.components.vae.digest);
    expect(reweighted.components.unet.digest).toBe(before.components.unet.digest);
    expect(reweighted.digest).not.toBe(before.digest);
    await writeRandomComponent(path, 'text_encoder', { hidden_act: 'quick_gelu' });
    const reconfigured = await readModelFolder(path);
    expect(reconfigured.components.text_encoder.digest).not.toBe(before.components.text_encoder.digest);
    await writeFile(join(path, 'tokenizer', 'special_tokens_map.json'), '{"pad_token":"!"}');
    const retokenized = await readModelFolder(path);
    expect(listComponents(retokenized.components)).toEqual(listComponents(reconfigured.components));
    expect(retokenized.digest).not.toBe(reconfigured.digest);
  });
});

test('models are found by their index, sorted; the earlier folder wins, a missing one has none', async () => {
  const [first, second] = [await temporaryFolder(), await temporaryFolder()];
  for (const path of [join(first, 'b'), join(second, 'b'), join(second, 'a'), join(second, 'empty')])
    await mkdir(path);
  for (const path of [join(first, 'b'), join(second, 'b'), join(second, 'a')])
    await writeFile(join(path, 'model_index.json'), '{}');
  await writeFile(join(second, 'a file'), '');
  expect(await findModels([first, join(first, 'nowhere'), second])).toEqual([
    { name: 'a', path: join(second, 'a') },
    { name: 'b', path: join(first, 'b') },
  ]);
});

describe('verifying a model', () => {
  test('finds nothing wrong with a sound one, and says what it read', async () => {
    const report = await verifyModelFolder(await randomModel());
    expect(report).toMatchObject({ name: 'some-model', isSound: true });
    expect(report.parts.map(({ name, weights }) => [name, weights?.tensors])).toEqual([
      ['model_index.json', undefined],
      ['scheduler/scheduler_config.json', undefined],
      ['tokenizer', undefined],
      ['text_encoder', 36],
      ['unet', 208],
      ['vae', 124],
      ['fit', undefined],
    ]);
  });

  test('reports every part that is broken, each with its own problems', async () => {
    const path = await randomModel();
    await rm(join(path, 'model_index.json'));
    await rm(join(path, 'tokenizer', 'vocab.json'));
    await writeFile(join(path, 'scheduler', 'scheduler_config.json'), '{"prediction_type":"guess"}');
    await writeFile(join(path, 'unet', WEIGHTS), 'x');
    await writeFile(join(path, 'vae', 'config.json'), '{"shift_factor":1}');
    const { isSound, parts } = await verifyModelFolder(path);
    expect(isSound).toBe(false);
    expect(Object.fromEntries(parts.map(({ name, problems }) => [name, problems.join('; ')]))).toEqual({
      'model_index.json': expect.stringContaining('there is no such file'),
      'scheduler/scheduler_config.json': expect.stringContaining('guess'),
      tokenizer: expect.stringContaining('vocab.json'),
      text_encoder: '',
      unet: expect.stringContaining('has 1 bytes, too few'),
      vae: expect.stringContaining('"shift_factor": 1 is not supported'),
    });
  });

  test('reports the tensors of a checkpoint that belongs to another config', async () => {
    const path = await randomModel();
    await writeFile(
      join(path, 'text_encoder', 'config.json'),
      JSON.stringify({
        hidden_size: 32,
        intermediate_size: 64,
        num_attention_heads: 4,
        num_hidden_layers: 1,
      }),
    );
    const { parts } = await verifyModelFolder(path);
    const { problems } = parts.find(({ name }) => name === 'text_encoder')!;
    expect(problems).toHaveLength(17);
    expect(problems[0]).toMatch(/token_embedding\.weight" is \[620, 32\], the config asks for \[49408, 32\]/);
    expect(problems[1]).toMatch(/layers\.1\..* has no place in this network/);
  });

  test('reports components that do not fit each other', async () => {
    const path = await randomModel();
    await writeRandomComponent(path, 'text_encoder', { hidden_size: 64, vocab_size: 600 });
    await writeRandomComponent(path, 'vae', { latent_channels: 8 });
    const { parts } = await verifyModelFolder(path);
    expect(parts.at(-1)).toEqual({
      name: 'fit',
      problems: [
        "the tokenizer gives id 619, the text encoder's vocab_size is 600",
        "the UNet's cross_attention_dim is 32, the text encoder's hidden_size 64",
        "the UNet's out_channels is 4, the VAE's latent_channels 8",
      ],
    });
  });
});
