import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import sharp from 'sharp';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import { OUTPUT_FORMATS, PRIORITIES, type JobKind } from '../../src/domain/job.ts';
import { MODEL, jobOf, problemOf, startApi, type Answer, type TestApi } from './test-api.ts';

const PICTURE = { width: 72, height: 64, channels: 3, background: 'teal' } as const;

let api: TestApi;
/** What a caller may send as an image: an upload, the same inside the request, and what only looks like one. */
let images: string[];
beforeAll(async () => {
  api = await startApi();
  await api.parts.registry.offerModels([
    { ...MODEL, kinds: ['txt2img', 'img2img', 'inpaint'] },
    { ...MODEL, name: 'pocket-depth', kinds: ['depth'] },
    { ...MODEL, name: 'pocket-x4', kinds: ['upscale'] },
  ]);
  const file = await sharp({ create: PICTURE }).png().toBuffer();
  const inside = `data:image/png;base64,${file.toString('base64')}`;
  const { request } = jobOf(await api.post('/v1/jobs', { kind: 'upscale', image: inside }));
  if (request.kind !== 'upscale') throw new Error(`the job became ${request.kind}`);
  const id = request.image;
  images = [id, id, id, id, id, id, inside, 'up_1', 'https://127.0.0.1/x.png', 'data:,', '%'];
});
afterAll(() => api.close());

/** Mostly what fits, so that whole requests get through too; sometimes anything. */
function orAnything<T>(fitting: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 30, arbitrary: fitting }, { weight: 1, arbitrary: fc.jsonValue() });
}

const text = fc.string({ unit: 'binary', maxLength: 60 });
const prompt = fc.oneof(text, fc.string({ unit: 'grapheme', minLength: 1 }));
const steps = fc.integer({ min: 0, max: 151 });
const sampler = fc.constantFrom(...SAMPLER_NAMES);
const guidanceScale = fc.double({ min: -1, max: 51 });
const noiseLevel = fc.integer({ min: -1, max: 351 });
const image = fc.nat(10).map((n) => images[n]);
const strength = fc.double({ min: -0.1, max: 1.1 });
const size = {
  width: orAnything(fc.integer({ min: 60, max: 1_100 }).map((side) => side - (side % 4))),
  height: orAnything(fc.integer({ min: 64, max: 1_024 }).map((side) => side - (side % 8))),
};
const common = {
  negative_prompt: orAnything(text),
  model: orAnything(fc.constantFrom('pocket-base', 'pocket-depth', 'pocket-x4')),
  steps: orAnything(steps),
  guidance_scale: orAnything(guidanceScale),
  guidance_rescale: orAnything(fc.double({ min: -0.5, max: 1.5 })),
  clip_skip: orAnything(fc.integer({ min: -1, max: 23 })),
  sampler: orAnything(sampler),
  eta: orAnything(fc.constantFrom(0, 0, 0.5, 1.1)),
  seed: orAnything(fc.maxSafeNat()),
  seeds: orAnything(fc.array(fc.maxSafeNat(), { maxLength: 9 })),
  images: orAnything(fc.integer({ min: 1, max: 9 })),
  priority: orAnything(fc.constantFrom(...PRIORITIES)),
  output: orAnything(
    fc.record({ format: fc.constantFrom(...OUTPUT_FORMATS), quality: fc.nat(101) }, { requiredKeys: [] }),
  ),
  metadata: orAnything(
    fc.dictionary(fc.oneof(text, fc.constantFrom('toString', 'constructor', 'toJSON')), text),
  ),
};
const stage = fc.record(
  {
    steps,
    sampler,
    model: fc.constantFrom('pocket-base', 'pocket-x4'),
    guidance_scale: guidanceScale,
    noise_level: noiseLevel,
  },
  { requiredKeys: [] },
);

/** Few of the optional fields at a time: with all of them nearly every request would have a fault. */
function bodyOf(kind: JobKind, own: Record<string, fc.Arbitrary<unknown>>, required: string[]) {
  const fields = { kind: orAnything(fc.constant(kind)), prompt: orAnything(prompt), ...common, ...own };
  const optional = Object.keys(fields).filter((name) => !required.includes(name) && name !== 'kind');
  return fc.subarray(optional, { maxLength: 5 }).chain((chosen) => {
    const names = new Set(['kind', ...required, ...chosen]);
    return fc.record(Object.fromEntries(Object.entries(fields).filter(([name]) => names.has(name))));
  });
}

const body = fc.oneof(
  bodyOf('txt2img', { ...size, upscale: orAnything(fc.oneof(fc.boolean(), stage)) }, ['prompt']),
  bodyOf('img2img', { ...size, image: orAnything(image), strength: orAnything(strength) }, [
    'prompt',
    'image',
  ]),
  bodyOf(
    'depth',
    {
      ...size,
      image: orAnything(image),
      strength: orAnything(strength),
      depth_map: orAnything(fc.option(image)),
      return_depth_map: orAnything(fc.boolean()),
    },
    ['prompt', 'image'],
  ),
  bodyOf(
    'inpaint',
    {
      ...size,
      image: orAnything(image),
      mask: orAnything(image),
      strength: orAnything(strength),
      overlay: orAnything(fc.boolean()),
      crop_padding: orAnything(fc.option(fc.integer({ min: -1, max: 257 }))),
    },
    ['prompt', 'image', 'mask'],
  ),
  bodyOf('upscale', { image: orAnything(image), noise_level: orAnything(noiseLevel) }, ['image']),
);

function expectDeliberate(answer: Answer): void {
  if (answer.status >= 500) throw new Error(answer.text);
  if (answer.status >= 400) problemOf(answer);
  else jobOf(answer);
}

test('any body of any kind is answered with a job that fits its schema or a problem, never by a failure', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 9, arbitrary: body }, { weight: 1, arbitrary: fc.jsonValue() }),
      async (value) => expectDeliberate(await api.post('/v1/jobs', value)),
    ),
    { numRuns: 400 },
  );
});

test('so is any header', async () => {
  const value = fc.string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
  });
  const headers = fc.record(
    {
      'idempotency-key': value,
      prefer: value.map((end) => `wait=0${end}`),
      authorization: value,
      'content-type': value,
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(headers, async (some) =>
      expectDeliberate(await api.post('/v1/jobs', { kind: 'txt2img', prompt: 'x' }, some)),
    ),
    { numRuns: 150 },
  );
});
