import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { OUTPUT_FORMATS, PRIORITIES } from '../../src/domain/job.ts';
import { SAMPLER_NAMES } from '../../src/contract/samplers.ts';
import { jobOf, problemOf, startApi, type Answer, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** Mostly what fits, so that whole requests get through too; sometimes anything. */
function orAnything<T>(fitting: fc.Arbitrary<T>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 30, arbitrary: fitting }, { weight: 1, arbitrary: fc.jsonValue() });
}

const text = fc.string({ unit: 'binary', maxLength: 60 });
const body = fc.record(
  {
    kind: orAnything(fc.constant('txt2img')),
    prompt: orAnything(fc.oneof(text, fc.string({ unit: 'grapheme', minLength: 1 }))),
    negative_prompt: orAnything(text),
    model: orAnything(fc.constant('pocket-base')),
    width: orAnything(fc.integer({ min: 60, max: 1_100 }).map((side) => side - (side % 4))),
    height: orAnything(fc.integer({ min: 64, max: 1_024 }).map((side) => side - (side % 8))),
    steps: orAnything(fc.integer({ min: 0, max: 151 })),
    guidance_scale: orAnything(fc.double({ min: -1, max: 51 })),
    guidance_rescale: orAnything(fc.double({ min: -0.5, max: 1.5 })),
    clip_skip: orAnything(fc.integer({ min: -1, max: 23 })),
    seed: orAnything(fc.maxSafeNat()),
    sampler: orAnything(fc.constantFrom(...SAMPLER_NAMES)),
    images: orAnything(fc.integer({ min: 1, max: 9 })),
    priority: orAnything(fc.constantFrom(...PRIORITIES)),
    output: orAnything(
      fc.record({ format: fc.constantFrom(...OUTPUT_FORMATS), quality: fc.nat(101) }, { requiredKeys: [] }),
    ),
    metadata: orAnything(
      fc.dictionary(fc.oneof(text, fc.constantFrom('toString', 'constructor', 'toJSON')), text),
    ),
  },
  { requiredKeys: ['kind', 'prompt'] },
);

function expectDeliberate(answer: Answer): void {
  if (answer.status >= 500) throw new Error(answer.text);
  if (answer.status >= 400) problemOf(answer);
  else jobOf(answer);
}

test('any body is answered with a job that fits its schema or a problem, never by a failure', async () => {
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
