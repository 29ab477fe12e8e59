/** Pulling models from a hub on this machine: real HTTP, real files, models that Kiln can load. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findModels, readModelFolder } from '../../workers/render/onnx/model-folder.ts';
import { COMMIT } from '../support/fake-hub.ts';
import {
  expectPublished,
  filesIn,
  ID,
  INDEX,
  publish,
  publishHalfUnet,
  TEXT,
  UNET,
  UNET_HALF,
  VAE,
} from '../support/pulls.ts';
import { writeRandomComponent } from '../support/random-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const CONFIG = 'vae/config.json';

describe('a whole model', () => {
  test.each(['base', 'inpaint', 'depth', 'upscale'] as const)(
    'of kind %s arrives as published, with nothing that Kiln does not read',
    async (kind) => {
      const { hub, dir, pull } = await publish(kind);
      for (const path of [
        'unet/diffusion_pytorch_model.bin',
        'unet/diffusion_pytorch_model.non_ema.safetensors',
        'safety_checker/model.safetensors',
        'v1-5-pruned.ckpt',
        'unet/model.onnx',
        'README.md',
      ])
        hub.publish(path, 'not for Kiln');

      const pulled = await pull();

      expect(pulled).toMatchObject({ path: join(dir, 'tiny'), commit: COMMIT });
      const files = await filesIn(pulled.path);
      const wanted = files.filter((path) => path !== 'kiln-source.json');
      expect(wanted).toHaveLength(pulled.files);
      expect(wanted.filter((path) => /bin$|ckpt$|onnx$|non_ema|safety|README/.test(path))).toEqual([]);
      for (const path of wanted) await expectPublished(hub, path, pulled.path);
      expect((await readModelFolder(pulled.path)).name).toBe('tiny');
      expect(await readdir(dir)).toEqual(['tiny']);
    },
  );

  test('says where it came from: hub, commit and checksums', async () => {
    const { hub, pull } = await publish();
    const { path } = await pull({ revision: COMMIT });
    const source: unknown = JSON.parse(await readFile(join(path, 'kiln-source.json'), 'utf8'));
    expect(source).toMatchObject({
      hub: hub.endpoint,
      id: ID,
      revision: COMMIT,
      commit: COMMIT,
      variant: null,
    });
    expect(source).toHaveProperty(
      'files',
      expect.arrayContaining([
        expect.objectContaining({ path: UNET, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }),
        expect.objectContaining({ path: INDEX, git: expect.stringMatching(/^[0-9a-f]{40}$/) }),
      ]),
    );
  });

  test('is told file by file where there is no terminal', async () => {
    const { told, pull } = await publish();
    const { files } = await pull();
    expect(told[0]).toMatch(new RegExp(`^  ${files} files, [\\d.]+ KiB$`));
    expect(told.at(-1)).toMatch(
      new RegExp(`^  ${files}/${files}  vae/diffusion_pytorch_model.safetensors  `),
    );
  });
});

describe('of variants', () => {
  test('each part comes in half precision where that is wanted and published, else plain', async () => {
    const { hub, pull } = await publish();
    await publishHalfUnet(hub);
    const { path } = await pull({ variant: 'fp16' });
    const weights = (await filesIn(path)).filter((file) => file.endsWith('.safetensors'));
    expect(weights).toEqual([TEXT, UNET_HALF, VAE]);
  });

  test('the plain one comes unless half precision is all there is', async () => {
    const { hub, pull, dir } = await publish();
    await publishHalfUnet(hub);
    expect(await filesIn((await pull()).path)).not.toContain(UNET_HALF);
    hub.unpublish(UNET);
    expect(await filesIn((await pull({ name: 'half' })).path)).toContain(UNET_HALF);
    expect((await findModels([dir])).map(({ name }) => name)).toEqual(['half', 'tiny']);
  });

  test('one that was begun and given up for another leaves nothing of itself', async () => {
    const { hub, pull } = await publish();
    await publishHalfUnet(hub);
    hub.missing.add(VAE);
    await expect(pull({ variant: 'fp16' })).rejects.toThrow(VAE);
    hub.missing.clear();
    expect(await filesIn((await pull()).path)).not.toContain(UNET_HALF);
  });
});

describe('what is not as it should be', () => {
  test.each([
    ['other bytes', (content: Buffer) => Buffer.from(content).fill(7, 100, 200)],
    ['more bytes', (content: Buffer) => Buffer.concat([content, Buffer.alloc(9)])],
  ])('a file of %s than the published one is refused and removed', async (_, forge) => {
    const { hub, dir, pull } = await publish();
    hub.forgeries.set(UNET, forge(hub.contentOf(UNET)));
    await expect(pull()).rejects.toThrow(
      /unet.*are not the published ones \(sha256 [0-9a-f]{64}\); they are removed/,
    );
    expect(await filesIn(join(dir, '.pull-tiny', 'model', 'unet'))).toEqual(['config.json']);
  });

  test('a small file is held against its git id', async () => {
    const { hub, pull } = await publish();
    hub.forgeries.set(CONFIG, Buffer.alloc(hub.contentOf(CONFIG).length));
    await expect(pull()).rejects.toThrow(/^vae\/config.json: .* \(git [0-9a-f]{40}\); they are removed/);
  });

  test('a file that the hub lists and does not have is named', async () => {
    const { hub, pull } = await publish();
    hub.missing.add(TEXT);
    await expect(pull()).rejects.toThrow(
      /tests\/tiny lists a file that the hub does not have: .*text_encoder/,
    );
  });

  test.each([
    [
      'StableDiffusionXLPipeline',
      /StableDiffusionXLPipeline is not a pipeline that Kiln knows: StableDiffusionPipeline, /,
    ],
    ['toString', /toString is not a pipeline that Kiln knows/],
  ])(
    'a pipeline of class %s is refused before any weights come, and leaves nothing',
    async (name, message) => {
      const { hub, dir, pull } = await publish();
      hub.publish(INDEX, JSON.stringify({ _class_name: name }));
      await expect(pull()).rejects.toThrow(message);
      expect(hub.seen.filter(({ server }) => server === 'storage')).toEqual([]);
      expect(await readdir(dir)).toEqual([]);
    },
  );

  test.each([
    ['unet/diffusion_pytorch_model.bin', /pickled weights can run code/],
    ['unet/diffusion_pytorch_model.safetensors.index.json', /split into shards/],
    ['unet/diffusion_pytorch_model.onnx', /neither unet\/diffusion_pytorch_model.safetensors nor unet/],
  ])('a UNet published only as %s is refused before any weights come', async (path, message) => {
    const { hub, dir, pull } = await publish();
    hub.unpublish(UNET);
    hub.publish(path, 'x');
    await expect(pull()).rejects.toThrow(message);
    expect(hub.seen.filter(({ server }) => server === 'storage')).toEqual([]);
    expect(await readdir(dir)).toEqual([]);
  });

  test('a config that Kiln cannot run is refused before any weights come', async () => {
    const { hub, pull } = await publish();
    const config: unknown = JSON.parse(hub.contentOf('unet/config.json').toString());
    hub.publish('unet/config.json', JSON.stringify(Object.assign({}, config, { act_fn: 'snake' })));
    await expect(pull()).rejects.toThrow(/unet.config\.json.*act_fn/);
    expect(hub.seen.filter(({ server }) => server === 'storage')).toEqual([]);
  });

  test('a repository without an index or a part is refused for that', async () => {
    const { hub, dir, pull } = await publish();
    hub.unpublish('scheduler/scheduler_config.json');
    await expect(pull()).rejects.toThrow('the repository has no scheduler/scheduler_config.json');
    hub.unpublish(INDEX);
    await expect(pull()).rejects.toThrow(
      `${ID} at main has no ${INDEX}: Kiln takes models in the layout of diffusers, not single checkpoints`,
    );
    expect(await readdir(dir)).toEqual([]);
  });

  test('weights that do not fit their config keep their bytes and not the name', async () => {
    const { hub, dir, pull } = await publish();
    const other = await temporaryFolder();
    await writeRandomComponent(other, 'unet');
    hub.publish(UNET, await readFile(join(other, UNET)));
    await expect(pull()).rejects.toThrow(
      /came whole, but Kiln cannot use it: \d+ problem[^]*delete .*\.pull-tiny/,
    );
    expect(await readdir(dir)).toEqual(['.pull-tiny']);
  });

  test('a model larger than the free disk is refused with both sizes', async () => {
    const { hub, dir, pull } = await publish();
    hub.boasts.set(UNET, 2 ** 50);
    await expect(pull()).rejects.toThrow(
      new RegExp(`^${dir} has [\\d.]+ [GT]iB free and the model needs 1024.0 TiB more: make room`),
    );
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('a name', () => {
  const other = JSON.stringify({ _class_name: 'Other' });

  test('that is taken is refused before anything is asked, and given to the new model by force', async () => {
    const { hub, dir, pull } = await publish();
    await mkdir(join(dir, 'tiny'));
    await writeFile(join(dir, 'tiny', INDEX), other);
    await expect(pull()).rejects.toThrow(
      /tiny is there already; choose another --name, or replace it with --force/,
    );
    expect(hub.seen).toEqual([]);

    hub.missing.add(UNET);
    await expect(pull({ isForced: true })).rejects.toThrow(UNET);
    expect(await readFile(join(dir, 'tiny', INDEX), 'utf8')).toBe(other);

    hub.missing.clear();
    await pull({ isForced: true });
    expect((await readModelFolder(join(dir, 'tiny'))).name).toBe('tiny');
    expect(await readdir(dir)).toEqual(['tiny']);
  });

  test('whose replacement was cut off between two renames has its old model again', async () => {
    const { hub, dir, pull } = await publish();
    await mkdir(join(dir, '.pull-tiny', 'replaced'), { recursive: true });
    await writeFile(join(dir, '.pull-tiny', 'replaced', INDEX), other);
    await expect(pull()).rejects.toThrow(/tiny is there already/);
    expect(await readFile(join(dir, 'tiny', INDEX), 'utf8')).toBe(other);
    expect(hub.seen).toEqual([]);
  });
});
