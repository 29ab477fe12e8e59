import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  DepthParams,
  Img2ImgParams,
  InputId,
  InpaintParams,
  JobParams,
  JobRecord,
  UpscaleParams,
  UpscaleStage,
} from '../../src/domain/job.ts';
import { inputKey } from '../../src/storage/object-keys.ts';
import { objectsFolder } from '../support/objects-folder.ts';
import { colourPng, maskPng } from '../support/pictures.ts';
import { COMMON_PARAMS, makeRenderFarm, type RenderFarm } from '../support/render-farm.ts';
import { writeTinyModels } from '../support/tiny-models.ts';

let models: string;
let farm: RenderFarm;
let image: InputId;
let mask: InputId;
let small: InputId;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'kiln-tiny-'));
  await writeTinyModels(models);
  farm = await makeRenderFarm({ KILN_MODELS_DIR: models });
  [image, mask, small] = await Promise.all([
    colourPng(80, 72).then((png) => farm.putInput(png)),
    maskPng(80, 72).then((png) => farm.putInput(png)),
    colourPng(24, 16).then((png) => farm.putInput(png)),
  ]);
  await farm.worker.start();
});
afterAll(async () => {
  await farm.stop();
  await rm(models, { recursive: true });
});

const stage: UpscaleStage = {
  model: 'tiny-upscale',
  steps: 3,
  guidanceScale: 6,
  noiseLevel: 40,
  sampler: 'ddim',
};
const changed = (rest: Partial<Img2ImgParams> = {}): Img2ImgParams => ({
  ...COMMON_PARAMS,
  kind: 'img2img',
  model: 'tiny-base',
  image,
  strength: 0.5,
  ...rest,
});
const depth = (rest: Partial<DepthParams> = {}): DepthParams => ({
  ...changed(),
  kind: 'depth',
  model: 'tiny-depth',
  depthMap: null,
  returnDepthMap: false,
  ...rest,
});
const painted = (rest: Partial<InpaintParams> = {}): InpaintParams => ({
  ...changed(),
  kind: 'inpaint',
  model: 'tiny-inpaint',
  mask,
  overlay: false,
  cropPadding: null,
  ...rest,
});
const enlarged = (rest: Partial<UpscaleParams> = {}): UpscaleParams => ({
  ...COMMON_PARAMS,
  kind: 'upscale',
  model: 'tiny-upscale',
  width: 96,
  height: 64,
  image: small,
  noiseLevel: 20,
  ...rest,
});

async function run(params: JobParams): Promise<JobRecord> {
  return farm.ended(await farm.submitJob(params));
}

async function pixelsOf({ result }: JobRecord, n = 0): Promise<Buffer> {
  const bytes = await farm.books.store.get(result?.images[n]?.key ?? 'absent');
  return sharp(bytes).raw().toBuffer();
}

describe('a job of each kind', () => {
  test('becomes images of its size, with its settings inside', async () => {
    const kinds = [changed(), depth(), painted({ cropPadding: 4 }), enlarged()];
    const records = await Promise.all(kinds.map(run));
    const said = await Promise.all(
      records.map(async ({ result, failure }) => {
        if (failure !== null) return failure;
        const metadata = await sharp(await farm.books.store.get(result!.images[0]!.key)).metadata();
        const kind = /Kind: (\w+), /.exec(metadata.comments?.[0]?.text ?? '')?.[1];
        return `${kind} ${metadata.width}x${metadata.height}`;
      }),
    );
    expect(said).toEqual(['img2img 64x64', 'depth 64x64', 'inpaint 80x72', 'upscale 96x64']);
  });

  test('shares its steps with other kinds on the same model, to the same bits', async () => {
    const jobs = [
      changed({ steps: 150, strength: 1 }),
      painted({ model: 'tiny-base', steps: 120, strength: 1 }),
    ];
    const together = await Promise.all(jobs.map(run));
    const alone: JobRecord[] = [];
    for (const job of jobs) alone.push(await run(job));
    for (const [index, record] of together.entries()) {
      expect(record.result!.averageBatch).toBeGreaterThan(1);
      expect(alone[index]!.result!.averageBatch).toBe(1);
      expect((await pixelsOf(record)).equals(await pixelsOf(alone[index]!))).toBe(true);
    }
  });

  test('counts the steps that its strength leaves', async () => {
    expect((await run(changed({ seeds: [1, 2] }))).progress).toMatchObject({ step: 4, steps: 4 });
  });
});

describe('a job of two stages', () => {
  test('is what two jobs would be, in one', async () => {
    const base = { model: 'tiny-base', seeds: [3, 4] };
    const both = await farm.ended(await farm.submit({ ...base, upscale: stage }));
    expect(both).toMatchObject({ state: 'succeeded', progress: { step: 14, steps: 14 } });
    const small = await farm.ended(await farm.submit(base));
    const { model, ...settings } = stage;
    for (const [n, seed] of base.seeds.entries()) {
      const picture = await farm.putInput((await farm.books.store.get(small.result!.images[n]!.key))!);
      const size = { width: 256, height: 256 };
      const large = await run(enlarged({ ...settings, ...size, model, image: picture, seeds: [seed] }));
      expect(both.result!.images[n]).toMatchObject({ seed, ...size });
      expect((await pixelsOf(both, n)).equals(await pixelsOf(large))).toBe(true);
    }
  });
});

describe('a depth job', () => {
  test('gives back one depth map, which does in place of its own estimate', async () => {
    const first = await run(depth({ seeds: [1, 2], returnDepthMap: true }));
    const map = first.result!.depthMap!;
    expect(map).toMatchObject({ n: 0, width: 64, height: 64, contentType: 'image/png' });
    const png = (await farm.books.store.get(map.key))!;
    expect(await sharp(png).metadata()).toMatchObject({ space: 'grey16', width: 64, height: 64 });
    const again = await run(depth({ depthMap: await farm.putInput(png) }));
    expect(again).toMatchObject({ state: 'succeeded', result: { depthMap: null } });
  });
});

describe('a job whose input', () => {
  const absent = `up_${'0'.repeat(64)}`;

  test('is gone fails with the field and the id', async () => {
    expect(await run(painted({ mask: absent }))).toMatchObject({
      state: 'failed',
      attempts: 0,
      failure: { code: 'input_missing', message: `mask ${absent} is no longer in the object store` },
    });
  });

  test('is no picture is refused, and harms no other', async () => {
    const junk = await farm.putInput(Buffer.from('no picture'));
    const [bad, good] = await Promise.all([run(changed({ image: junk })), run(changed())]);
    expect(bad).toMatchObject({ state: 'failed', failure: { code: 'request_refused' } });
    expect(good.state).toBe('succeeded');
  });

  test('cannot be read now is tried again', async () => {
    const id = await farm.putInput(await colourPng(64, 64, 5));
    const file = fileOf(id);
    await rm(file);
    // A folder where the object should be fails every read, also for root.
    await mkdir(file);
    const ref = await farm.submitJob(changed({ image: id }));
    await farm.when(ref, ({ attempts }) => attempts === 1);
    await rm(file, { recursive: true });
    await farm.putInput(await colourPng(64, 64, 5));
    expect(await farm.ended(ref)).toMatchObject({ state: 'succeeded', failure: null });
  });
});

describe('while the input of a job is being read', () => {
  test('the job can be cancelled, and others run', async () => {
    const slow = await slowInput();
    const ref = await farm.submitJob(changed({ image: slow.id }));
    await farm.when(ref, ({ state }) => state === 'running');
    expect((await run(changed())).state).toBe('succeeded');
    expect(await farm.books.records.cancel(ref)).toEqual({ kind: 'cancelled' });
    while (await farm.books.lanes.has(ref, 'tiny-base.64x64')) await farm.read(ref);
    await slow.arrive(await colourPng(64, 64));
    expect((await run(changed())).state).toBe('succeeded');
    expect(await farm.books.store.list(`default/jobs/${ref.id}/`)).toEqual([]);
  });

  test('the engine may die: the job goes to the next one, and so does what was in its steps', async () => {
    const slow = await slowInput();
    const long = changed({ steps: 150, strength: 1, width: 128, height: 128 });
    const [waiting, running] = await Promise.all([
      farm.submitJob(changed({ image: slow.id })),
      farm.submitJob(long),
    ]);
    await farm.when(waiting, ({ state }) => state === 'running');
    await farm.when(running, ({ progress }) => progress.step > 2);
    const first = await farm.enginePid();
    process.kill(first, 'SIGKILL');
    while ((await farm.enginePid()) === first) await farm.read(waiting);
    await slow.arrive(await colourPng(64, 64));
    expect(await farm.ended(waiting)).toMatchObject({ state: 'succeeded', fence: 1, crashes: 0 });
    const again = await farm.ended(running);
    expect(again).toMatchObject({ state: 'succeeded', fence: 2, crashes: 1 });
    expect((await pixelsOf(again)).equals(await pixelsOf(await run(long)))).toBe(true);
  });
});

function fileOf(id: InputId): string {
  return join(objectsFolder(farm.config), inputKey('default', id));
}

/** An object that can be opened at once and read only when its bytes arrive: a pipe. */
async function slowInput(): Promise<{ id: InputId; arrive: (png: Uint8Array) => Promise<void> }> {
  const id = `up_${process.hrtime.bigint().toString(16).padStart(64, '0')}`;
  const file = fileOf(id);
  await mkdir(dirname(file), { recursive: true });
  await promisify(execFile)('mkfifo', [file]);
  return {
    id,
    async arrive(png) {
      const pipe = await open(file, 'w');
      await pipe.writeFile(png);
      await pipe.close();
    },
  };
}
