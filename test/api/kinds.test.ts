/** Jobs of every kind, from what a caller sends to the parameters and the lane that a worker finds. */
import { createServer } from 'node:http';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobRecord } from '../../src/domain/job.ts';
import { inputKey } from '../../src/storage/object-keys.ts';
import { MODEL, PlayedWorker, jobOf, listOf, problemOf, refOf, startApi, type TestApi } from './test-api.ts';

let api: TestApi;
let picture: string;
let mask: string;
/** Serves one picture to whoever asks, and counts. */
let origin: string;
let fetches = 0;
const server = createServer((_request, response) => {
  fetches += 1;
  void png(64, 64, 'blue').then((body) => response.end(body));
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  origin = `http://127.0.0.1:${address.port}`;
  api = await startApi({ config: { outbound: { allowHttp: true, allowedOrigins: new Set([origin]) } } });
  await api.parts.registry.offerModels([
    { ...MODEL, kinds: ['txt2img', 'img2img', 'inpaint'] },
    { ...MODEL, name: 'pocket-depth', kinds: ['depth'] },
    { ...MODEL, name: 'pocket-x4', kinds: ['upscale'] },
    { ...MODEL, name: 'pocket-x5', kinds: ['upscale'] },
  ]);
  picture = await dataUrl(203, 130, 'teal');
  mask = await dataUrl(203, 130, 'white');
});
afterAll(async () => {
  await api.close();
  server.close();
});

function png(width: number, height: number, background: string): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

async function dataUrl(width: number, height: number, background: string): Promise<string> {
  return `data:image/png;base64,${(await png(width, height, background)).toString('base64')}`;
}

async function recordOf(body: object, headers?: Record<string, string>): Promise<JobRecord> {
  const { id } = jobOf(await api.post('/v1/jobs', { prompt: 'x', ...body }, headers));
  const record = await api.parts.records.read(refOf(id));
  if (record === undefined) throw new Error(`job ${id} has no record`);
  return record;
}

const uploadId = expect.stringMatching(/^up_[0-9a-f]{64}$/);

describe('a job is admitted with its parameters, into the lane of its model and size:', () => {
  test('txt2img', async () => {
    const { params, lane } = await recordOf({ kind: 'txt2img' });
    expect(params).toMatchObject({ kind: 'txt2img', model: 'pocket-base', upscale: null, eta: 0 });
    expect(lane).toBe('pocket-base.128x64');
  });

  test('txt2img in two stages', async () => {
    const { params, lane, progress } = await recordOf({ kind: 'txt2img', upscale: { steps: 7 }, images: 2 });
    expect(params).toMatchObject({ upscale: { model: 'pocket-x4', steps: 7, noiseLevel: 20 } });
    expect(lane).toBe('pocket-base/pocket-x4.128x64');
    expect(progress.steps).toBe(2 * (20 + 7));
  });

  test('img2img', async () => {
    const { params, lane, progress } = await recordOf({ kind: 'img2img', image: picture });
    expect(params).toMatchObject({
      kind: 'img2img',
      image: uploadId,
      strength: 0.8,
      width: 200,
      height: 128,
    });
    expect(lane).toBe('pocket-base.200x128');
    expect(progress.steps).toBe(16);
  });

  test('depth', async () => {
    const request = { kind: 'depth', image: picture, depth_map: mask, return_depth_map: true };
    const { params, lane } = await recordOf(request);
    expect(params).toMatchObject({
      kind: 'depth',
      image: uploadId,
      depthMap: uploadId,
      returnDepthMap: true,
    });
    expect(lane).toBe('pocket-depth.200x128');
  });

  test('inpaint', async () => {
    const { params, lane } = await recordOf({ kind: 'inpaint', image: picture, mask, crop_padding: 32 });
    expect(params).toMatchObject({ kind: 'inpaint', image: uploadId, mask: uploadId, cropPadding: 32 });
    expect(lane).toBe('pocket-base.128x64');
  });

  test('upscale', async () => {
    const { params, lane } = await recordOf({ kind: 'upscale', image: picture });
    expect(params).toMatchObject({ kind: 'upscale', image: uploadId, model: 'pocket-x4', noiseLevel: 20 });
    expect(lane).toBe('pocket-x4.800x512');
  });
});

describe('a job of every kind', () => {
  test.each<[string, () => object]>([
    ['txt2img', () => ({ seeds: [5, 3], sampler: 'ddim', eta: 1 })],
    ['txt2img', () => ({ upscale: { model: 'pocket-x5', guidance_scale: 2 } })],
    ['img2img', () => ({ image: picture, strength: 0.25, height: 64 })],
    ['depth', () => ({ image: picture })],
    ['depth', () => ({ image: picture, depth_map: mask, return_depth_map: true })],
    ['inpaint', () => ({ image: picture, mask, overlay: true })],
    ['inpaint', () => ({ image: picture, mask, crop_padding: 0 })],
    ['upscale', () => ({ image: picture, prompt: '', noise_level: 0 })],
  ])('shows a request that makes the same images again: %s', async (kind, body) => {
    const { request } = jobOf(await api.post('/v1/jobs', { kind, prompt: 'x', ...body() }));
    expect(jobOf(await api.post('/v1/jobs', request)).request).toEqual(request);
  });

  test('takes an upload by its id, of its own tenant only', async () => {
    const { params } = await recordOf({ kind: 'img2img', image: picture });
    if (params.kind !== 'img2img') throw new Error(`the job became ${params.kind}`);
    expect(await api.parts.store.get(inputKey('default', params.image))).toBeDefined();
    const again = await recordOf({ kind: 'upscale', image: params.image });
    expect(again.params).toMatchObject({ image: params.image });
    const foreign = `up_${'0'.repeat(64)}`;
    const problem = problemOf(await api.post('/v1/jobs', { kind: 'upscale', image: foreign }));
    expect(problem).toMatchObject({ status: 400, errors: [{ field: 'image', value: expect.any(String) }] });
  });
});

describe('a depth map', () => {
  test('is given back to the job that asked for it, by a signed link of its own', async () => {
    const request = { kind: 'depth', prompt: 'x', image: picture, return_depth_map: true };
    const { id, depth_map: none } = jobOf(await api.post('/v1/jobs', request));
    expect(none).toBeNull();
    await new PlayedWorker(api.parts).succeed(id, Buffer.from('a map'));
    const { depth_map: map, images } = jobOf(await api.send(`/v1/jobs/${id}`));
    expect(map).toMatchObject({ width: 200, height: 128, bytes: 5, content_type: 'image/png' });

    const { pathname, search } = new URL(map?.url ?? '');
    const answer = await api.send(`${pathname}${search}`);
    expect([answer.status, answer.text]).toEqual([200, 'a map']);
    expect(answer.headers.get('content-disposition')).toBe(`inline; filename="${id}-depth-map.png"`);
    const ofImage = new URL(images[0]?.url ?? '');
    expect((await api.send(`${pathname}${ofImage.search}`)).status).toBe(403);
  });

  test('is not there when nobody asked for it', async () => {
    const { id } = jobOf(await api.post('/v1/jobs', { kind: 'depth', prompt: 'x', image: picture }));
    await new PlayedWorker(api.parts).succeed(id, Buffer.from('an image'));
    expect(jobOf(await api.send(`/v1/jobs/${id}`)).depth_map).toBeNull();
  });
});

describe('a list of jobs', () => {
  test('can be of one kind', async () => {
    const { id } = jobOf(await api.post('/v1/jobs', { kind: 'inpaint', prompt: 'x', image: picture, mask }));
    const { jobs } = listOf(await api.send('/v1/jobs?kind=inpaint&limit=200'));
    expect(jobs.map((job) => job.id)).toContain(id);
    expect(new Set(jobs.map(({ request }) => request.kind))).toEqual(new Set(['inpaint']));
  });
});

describe('a job is refused by name and limit', () => {
  test.each<[string, () => Promise<object>, object]>([
    [
      'an image too large to enlarge',
      async () => ({ kind: 'upscale', image: await dataUrl(1_028, 140, 'red') }),
      { field: 'image', value: '1028x140', limit: '16x16 to 1024x1024' },
    ],
    [
      'a mask that does not lie on the image',
      async () => ({ kind: 'inpaint', image: picture, mask: await dataUrl(64, 64, 'red'), crop_padding: 4 }),
      { field: 'mask', value: '64x64', limit: '203x130' },
    ],
    [
      'a mask that is no image',
      () =>
        Promise.resolve({ kind: 'inpaint', image: picture, mask: Buffer.from('nothing').toString('base64') }),
      { field: 'mask' },
    ],
  ])('for %s', async (_what, body, fault) => {
    const problem = problemOf(await api.post('/v1/jobs', { prompt: 'x', ...(await body()) }));
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request', errors: [fault] });
  });

  test('for a model that cannot do its kind', async () => {
    const request = { kind: 'depth', prompt: 'x', image: picture, model: 'pocket-base' };
    expect(problemOf(await api.post('/v1/jobs', request))).toMatchObject({
      status: 422,
      code: 'unknown_model',
      errors: [{ field: 'model', value: 'pocket-base', limit: ['pocket-depth'] }],
    });
  });
});

test('a model that every worker refuses is refused at once, with the reason', async () => {
  await api.parts.registry.announce({
    id: 'w1',
    host: 'box',
    pid: 7,
    device: 'cpu',
    state: 'ready',
    engine: 'ready',
    models: [{ name: 'broken', state: 'refused', reason: 'unet/config.json is missing' }],
    runningSamples: 0,
    slots: 8,
    stepMs: null,
    busyShare: 0,
    startedAt: 0,
    seenAt: 0,
  });
  const problem = problemOf(await api.post('/v1/jobs', { kind: 'txt2img', prompt: 'x', model: 'broken' }));
  expect(problem).toMatchObject({
    status: 422,
    code: 'model_unusable',
    detail: 'Every worker refuses broken: unet/config.json is missing',
    errors: [{ field: 'model', value: 'broken' }],
  });
});

describe('an image at an address', () => {
  test('is fetched once, however often the request is sent again with its key', async () => {
    const request = { kind: 'upscale', image: `${origin}/a.png` };
    const headers = { 'idempotency-key': 'fetched' };

    const first = await recordOf(request, headers);
    const second = await recordOf(request, headers);
    expect(second.id).toBe(first.id);
    const other = problemOf(await api.post('/v1/jobs', { ...request, prompt: 'y' }, headers));
    expect(other.code).toBe('idempotency_conflict');
    expect(fetches).toBe(1);
  });
});
