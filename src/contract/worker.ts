import { Type, type Static } from 'typebox';
import { nullable } from './nullable.ts';

export const Worker = Type.Object(
  {
    id: Type.String(),
    host: Type.String(),
    pid: Type.Integer(),
    device: Type.String(),
    state: Type.Enum(['starting', 'ready', 'draining']),
    engine: Type.Enum(['starting', 'ready', 'restarting']),
    models: Type.Array(Type.String(), { description: 'Models in memory' }),
    running_samples: Type.Integer(),
    slots: Type.Integer({ description: 'Samples it can denoise at once' }),
    step_ms: nullable('number', { description: 'Mean time of a recent UNet call' }),
    busy_share: Type.Number({ description: 'Share of the last minute in which its device worked' }),
    started_at: Type.String({ format: 'date-time' }),
    seen_at: Type.String({ format: 'date-time' }),
  },
  { $id: 'Worker', additionalProperties: false },
);
export type Worker = Static<typeof Worker>;

export const WorkerList = Type.Object(
  { workers: Type.Array(Worker) },
  { $id: 'WorkerList', additionalProperties: false },
);
export type WorkerList = Static<typeof WorkerList>;
