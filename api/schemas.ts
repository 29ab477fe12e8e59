/** How routes name their shapes: by reference, so that the OpenAPI document has each of them once. */
import { Type, type Static, type TSchema, type TUnsafe } from 'typebox';
import { BulkList, BulkView } from '../src/contract/bulk.ts';
import { CreateJob } from '../src/contract/create-job.ts';
import {
  BulkProgressEvent,
  BulkStateEvent,
  JobProgressEvent,
  JobStateEvent,
  PreviewEvent,
} from '../src/contract/events.ts';
import { JobList, JobView } from '../src/contract/job.ts';
import { ModelList } from '../src/contract/model.ts';
import { Problem } from '../src/contract/problem.ts';
import { SamplerList } from '../src/contract/samplers.ts';
import { BulkUpload } from '../src/contract/bulk-upload.ts';
import { Upload } from '../src/contract/upload.ts';
import {
  DeliveryList,
  DeliveryView,
  RedeliverRange,
  Redelivered,
  TestWebhook,
} from '../src/contract/webhook.ts';
import { WorkerList } from '../src/contract/worker.ts';
import { PROBLEM_TYPE } from './problem.ts';

/** The shapes that every instance knows by `$id`. */
export const NAMED_SHAPES = [
  CreateJob,
  JobView,
  JobList,
  BulkView,
  BulkList,
  BulkUpload,
  JobStateEvent,
  JobProgressEvent,
  PreviewEvent,
  BulkStateEvent,
  BulkProgressEvent,
  ModelList,
  SamplerList,
  WorkerList,
  Upload,
  DeliveryView,
  DeliveryList,
  RedeliverRange,
  Redelivered,
  TestWebhook,
  Problem,
] as const;

export function named<T extends TSchema>(shape: T): TUnsafe<Static<T>> {
  if (!('$id' in shape)) throw new Error('a shape without $id cannot be referred to');
  return Type.Unsafe<Static<T>>({ $ref: `${String(shape.$id)}#` });
}

/** An answer that has a description in the document. */
export function answer<T extends TSchema>(description: string, shape: T) {
  return { description, content: { 'application/json': { schema: named(shape) } } };
}

const problem = { content: { [PROBLEM_TYPE]: { schema: named(Problem) } } };

/** What any route may answer instead. */
export const PROBLEMS = {
  '4xx': { description: 'The request cannot be taken; `code` says why', ...problem },
  '5xx': { description: 'Kiln cannot keep its promise now; 503 has Retry-After', ...problem },
} as const;
