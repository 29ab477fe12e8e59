import { Type, type Static } from 'typebox';

export const Model = Type.Object(
  {
    name: Type.String(),
    kinds: Type.Array(Type.String(), { description: 'Kinds of job it can do' }),
    digest: Type.String({ description: 'The version: a digest of its files' }),
    bytes: Type.Integer({ description: 'Size of its files' }),
    default_width: Type.Integer(),
    default_height: Type.Integer(),
    is_default: Type.Boolean({ description: 'Taken when a job names no model' }),
    loaded_by: Type.Array(Type.String(), { description: 'Workers that hold it in memory right now' }),
  },
  { $id: 'Model', additionalProperties: false },
);
export type Model = Static<typeof Model>;

export const ModelList = Type.Object(
  { models: Type.Array(Model) },
  { $id: 'ModelList', additionalProperties: false },
);
export type ModelList = Static<typeof ModelList>;
