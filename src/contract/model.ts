import { Type, type Static } from 'typebox';
import { nullable } from './nullable.ts';

const CLOSED = { additionalProperties: false } as const;

const ModelState = Type.Enum(['cold', 'loading', 'ready', 'failed'], {
  description:
    'cold: on disk, loaded when a job wants it; ready: in the memory of a worker; failed: no worker can run it',
});

export const Model = Type.Object(
  {
    name: Type.String(),
    kinds: Type.Array(Type.String(), {
      description: 'Kinds of job it can do; none when its folder is broken',
    }),
    digest: nullable('string', { description: 'The version: a digest of its files' }),
    bytes: nullable('integer', { description: 'Size of its files' }),
    memory_bytes: nullable('integer', { description: 'Size of its weights in memory' }),
    default_width: nullable('integer'),
    default_height: nullable('integer'),
    is_default: Type.Boolean({ description: 'Taken when a job names no model' }),
    state: ModelState,
    reason: nullable('string', { description: 'Why it failed' }),
    workers: Type.Array(
      Type.Object({ id: Type.String(), state: ModelState, reason: nullable('string') }, CLOSED),
      { description: 'Workers that have it on disk, and what it is there' },
    ),
  },
  { $id: 'Model', ...CLOSED },
);
export type Model = Static<typeof Model>;

export const ModelList = Type.Object({ models: Type.Array(Model) }, { $id: 'ModelList', ...CLOSED });
export type ModelList = Static<typeof ModelList>;
