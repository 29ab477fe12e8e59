import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import { readModelFolder } from '../../workers/render/onnx/model-folder.ts';
import { verifyModelFolder } from '../../workers/render/onnx/verify-model.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { writeTinyModel } from '../support/tiny-models.ts';

/** A whole model `base`, and `tune`, which has a UNet of its own and takes the rest from `base`. */
async function familyOnDisk(): Promise<{ base: string; tune: string }> {
  const dir = await temporaryFolder();
  const [base, tune] = [join(dir, 'base'), join(dir, 'tune')];
  await writeTinyModel(base, 'base');
  await mkdir(tune);
  for (const own of ['model_index.json', 'unet', 'scheduler'])
    await cp(join(base, own), join(tune, own), { recursive: true });
  const parts = ['vae', 'text_encoder', 'tokenizer'];
  await layOut(tune, Object.fromEntries(parts.map((part) => [part, `../base/${part}`])));
  return { base, tune };
}

function layOut(model: string, components: object): Promise<void> {
  return writeFile(join(model, 'kiln.json'), JSON.stringify({ components }));
}

describe('a model with a kiln.json', () => {
  test('takes components from where it says, and is known by what they are', async () => {
    const { base, tune } = await familyOnDisk();
    const [whole, composed] = [await readModelFolder(base), await readModelFolder(tune)];
    expect(composed.digest).toBe(whole.digest);
    expect(composed.components.vae.weights.path).toBe(whole.components.vae.weights.path);
    const model = await loadModel(tune, { device: { kind: 'cpu' }, profile: 'lean', threads: 1 });
    expect(await model.encodeText(model.tokenize('a cube'), 0)).toHaveLength(77 * 32);
    await model.release();
    const { isSound, parts } = await verifyModelFolder(tune);
    expect(isSound).toBe(true);
    expect(parts.map(({ name }) => name)).toEqual([
      'kiln.json',
      'model_index.json',
      'scheduler/scheduler_config.json',
      '../base/tokenizer',
      '../base/text_encoder',
      'unet',
      '../base/vae',
      'fit',
    ]);
  });

  test('may point below any folder that holds models, and nowhere else', async () => {
    const { tune } = await familyOnDisk();
    const elsewhere = await temporaryFolder();
    await rename(join(tune, 'unet'), join(elsewhere, 'unet'));
    await layOut(tune, { unet: `../../${basename(elsewhere)}/unet` });
    await expect(readModelFolder(tune)).rejects.toThrow(
      /kiln\.json: "components\.unet": .* is outside of the folders that hold models: /,
    );
    await rm(join(tune, 'kiln.json'));
    await layOut(tune, {
      unet: `../../${basename(elsewhere)}/unet`,
      vae: '../base/vae',
      text_encoder: '../base/text_encoder',
      tokenizer: '../base/tokenizer',
    });
    expect(await readModelFolder(tune, { roots: [elsewhere] })).toMatchObject({ name: 'tune' });
  });

  test.each([
    ['[]', /kiln\.json: must be a JSON object/],
    ['{', /kiln\.json: cannot be read as JSON/],
    ['{"component":{}}', /kiln\.json: "component" is unknown; the only key is "components"/],
    ['{"components":[]}', /"components" must map names of components to folders/],
    ['{"components":{"lora":"../x"}}', /"components\.lora" is unknown; known are unet, vae, text_encoder,/],
    ['{"components":{"vae":3}}', /"components\.vae": 3 must be the path of a folder/],
    ['{"components":{"vae":"../base/none"}}', /"components\.vae": "\.\.\/base\/none" \(.*\) is not there/],
    ['{"components":{"vae":"../base/model_index.json"}}', /is not there, or not a folder/],
    ['{"components":{"vae":"/etc"}}', /"\/etc" \(\/etc\) must be relative to the model's folder/],
    ['{"components":{"vae":"../../"}}', /is outside of the folders that hold models/],
  ])('that says %s is refused with the reason', async (json, message) => {
    const { tune } = await familyOnDisk();
    await writeFile(join(tune, 'kiln.json'), json);
    await expect(readModelFolder(tune)).rejects.toThrow(message);
    const { isSound, parts } = await verifyModelFolder(tune);
    expect(isSound).toBe(false);
    expect(parts[0]).toEqual({ name: 'kiln.json', problems: [expect.stringMatching(message)] });
  });
});
