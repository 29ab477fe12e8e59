/**
 * The shapes of `src/domain/job.ts` as schemas: what stored JSON must look like to be taken as a job again, whether it
 * comes from the record in Redis or from `job.json` in the object store. `src/job-json.ts` proves both to be the same.
 * Unknown fields pass, so that an older process can read what a newer one wrote.
 */
import { Type } from 'typebox';
import { SAMPLER_NAMES } from './samplers.ts';
import { OUTPUT_FORMATS, PRIORITIES } from '../domain/job.ts';
import { JOB_STATES } from '../domain/job-state.ts';

const Count = Type.Integer({ minimum: 0 });
const OptionalTime = Type.Union([Type.Integer(), Type.Null()]);

export const StoredParams = Type.Object({
  kind: Type.Literal('txt2img'),
  model: Type.String(),
  prompt: Type.String(),
  negativePrompt: Type.String(),
  width: Count,
  height: Count,
  steps: Count,
  guidanceScale: Type.Number(),
  guidanceRescale: Type.Number(),
  clipSkip: Count,
  seeds: Type.Array(Type.Number()),
  sampler: Type.Enum(SAMPLER_NAMES),
  priority: Type.Enum(PRIORITIES),
  output: Type.Object({ format: Type.Enum(OUTPUT_FORMATS), quality: Type.Number() }),
  // Plain JSON Schema: a TypeBox record would match its keys by `.*`, which no key with a line feed fits.
  metadata: Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string' },
  }),
});

export const StoredResult = Type.Object({
  images: Type.Array(
    Type.Object({
      n: Count,
      key: Type.String(),
      seed: Type.Number(),
      width: Count,
      height: Count,
      bytes: Count,
      sha256: Type.String(),
      contentType: Type.String(),
    }),
  ),
  averageBatch: Type.Number(),
});

export const StoredFailure = Type.Object({ code: Type.String(), message: Type.String() });

export const StoredRecord = Type.Object({
  tenant: Type.String(),
  id: Type.String(),
  state: Type.Enum(JOB_STATES),
  fence: Count,
  lane: Type.String(),
  params: StoredParams,
  createdAt: Type.Integer(),
  startedAt: OptionalTime,
  finishedAt: OptionalTime,
  attempts: Count,
  crashes: Count,
  soloCrashes: Count,
  progress: Type.Object({
    step: Count,
    steps: Count,
    etaSeconds: Type.Union([Type.Number(), Type.Null()]),
  }),
  worker: Type.Union([Type.String(), Type.Null()]),
  result: Type.Union([StoredResult, Type.Null()]),
  failure: Type.Union([StoredFailure, Type.Null()]),
});
