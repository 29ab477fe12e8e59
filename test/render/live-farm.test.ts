import sharp from 'sharp';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobView } from '../../src/contract/job.ts';
import { EventReader, type ServerEvent } from '../support/event-reader.ts';
import { startFarm, type Farm } from '../support/farm.ts';

const REQUEST = {
  kind: 'txt2img',
  prompt: 'a red sphere on a grey floor by day',
  seed: 7,
  width: 64,
  height: 64,
  steps: 12,
  sampler: 'dpmpp_2m_sde',
};
const PREVIEW_BYTES = 20_000;

let farm: Farm;
beforeAll(async () => {
  farm = await startFarm({ env: { KILN_THREADS: '1' } });
});
afterAll(() => farm.stop());

const job = Compile(JobView);

async function submit(change: object = {}): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${farm.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...REQUEST, ...change }),
  });
  return { status: response.status, body: await response.json() };
}

async function accepted(change: object = {}): Promise<JobView> {
  const { body } = await submit(change);
  if (!job.Check(body)) throw new Error(JSON.stringify(body));
  return body;
}

/** All events of the job, to its end. */
async function events(change: object = {}): Promise<{ all: ServerEvent[]; end: JobView }> {
  const { id } = await accepted(change);
  const all = await (await EventReader.open(`${farm.url}/v1/jobs/${id}/events`)).rest();
  const end = all.at(-1)?.data['job'];
  if (!job.Check(end)) throw new Error(JSON.stringify(all.at(-1)));
  return { all, end };
}

const shaOf = ({ images }: JobView): string | undefined => images[0]?.sha256;

test('shows jobs on their way, and makes the images that it would have made', async () => {
  const wishes = [null, { every: 4, kind: 'fast' }, { every: 4, kind: 'full' }];
  const [unseen, fast, full] = await Promise.all(wishes.map((preview) => events({ preview })));
  expect(unseen!.all.map(({ event }) => event)).not.toContain('preview');
  for (const { all, end } of [fast!, full!]) {
    expect(shaOf(end)).toBe(shaOf(unseen!.end));
    const previews = all.filter(({ event }) => event === 'preview').map(({ data }) => data);
    // Those that come faster than they are read give way to newer ones.
    expect(previews.length).toBeGreaterThan(0);
    expect([1, 4, 8]).toEqual(expect.arrayContaining(previews.map(({ step }) => step)));
    const side = all === fast!.all ? 8 : 64;
    for (const { n, data, width, height, kind, ms } of previews) {
      expect([n, kind, width, height]).toEqual([0, side === 8 ? 'fast' : 'full', side, side]);
      const bytes = Buffer.from(String(data), 'base64');
      expect(bytes.length).toBeLessThanOrEqual(PREVIEW_BYTES);
      expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width, height });
      expect(ms).toBeGreaterThan(0);
    }
    expect(all.at(-1)?.data).toMatchObject({ state: 'succeeded' });
  }
});

test('stops a job at a step with its latents, from which another goes on to the same image', async () => {
  const [whole, part] = await Promise.all([events(), events({ end_step: 5 })]);
  expect(part.end).toMatchObject({ images: [], progress: { step: 5, steps: 5 } });
  const [latents] = part.end.latents;
  const file = await fetch(latents!.url);
  expect([file.status, (await file.arrayBuffer()).byteLength]).toEqual([200, latents!.bytes]);

  const more = await events({ init_latent: `${part.end.id}/0`, start_step: 5, end_step: 9 });
  const rest = await events({ init_latent: `${more.end.id}/0` });
  expect(rest.end).toMatchObject({
    progress: { step: 3, steps: 3 },
    latents: [],
    request: { seed: 7, start_step: 9 },
  });
  expect(shaOf(rest.end)).toBe(shaOf(whole.end));
  // As its own view names it.
  expect(shaOf((await events(rest.end.request)).end)).toBe(shaOf(whole.end));
});

test('refuses latents that do not suit the job, with the field and what it must be', async () => {
  const { end: whole } = await events({ steps: 2 });
  const { end: part } = await events({ end_step: 1 });
  expect(await submit({ init_latent: `${part.id}/0`, sampler: 'euler', steps: 13 })).toMatchObject({
    status: 400,
    body: {
      errors: [
        { field: 'sampler', limit: 'dpmpp_2m_sde' },
        { field: 'steps', limit: 12 },
      ],
    },
  });
  for (const name of [`${whole.id}/0`, `${part.id}/1`, `lat_${'0'.repeat(64)}`, 'elsewhere']) {
    const { status, body } = await submit({ init_latent: name });
    expect({ status, body }).toMatchObject({ status: 400, body: { errors: [{ field: 'init_latent' }] } });
  }
  expect(await submit({ end_step: 13 })).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'end_step', value: 13, limit: 12 }] },
  });
});
