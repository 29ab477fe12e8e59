/**
 * What a supervisor and its engine child say to each other, as structured clones over the fork's IPC channel.
 *
 *   supervisor -> engine    add (samples), drop (ids), stop
 *   engine -> supervisor    ready; model loading | ready | failed | released; aboard; stepped; preview; depth_map;
 *                           image; latents; failed
 *
 * A sample of two stages is one sample: its calls are counted over both, and its image is that of the second.
 * Every sample that is added ends in exactly one `image`, `latents` or `failed`, unless it is dropped first or the engine dies.
 * `aboard` precedes everything that could kill the process and names the samples that would be to blame.
 */
import { inspect } from 'node:util';
import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { FAILURE_CODES } from '../../../src/domain/failure.ts';
import { PREVIEW_KINDS } from '../../../src/domain/job.ts';
import { Bytes, SampleMessage } from './sample-message.ts';

const Count = Type.Integer({ minimum: 0 });
const Ids = Type.Array(Type.String());

const Words = Type.Refine(Type.Unsafe<Uint16Array>({}), (value) => value instanceof Uint16Array);

const Command = Type.Union([
  Type.Object({ kind: Type.Literal('add'), samples: Type.Array(SampleMessage) }),
  /** Takes effect before the next UNet call. */
  Type.Object({ kind: Type.Literal('drop'), ids: Ids }),
  Type.Object({ kind: Type.Literal('stop') }),
]);

/** What the engine is about to do with the samples aboard; the words complete "the engine died while ...". */
export const DOINGS = {
  load: 'loading the model',
  input: 'reading the input image',
  start: 'preparing the image',
  step: 'computing a step',
  preview: 'making a preview',
  decode: 'decoding the image',
} as const;
export type Doing = keyof typeof DOINGS;
const DOING_NAMES = [
  'load',
  'input',
  'start',
  'step',
  'preview',
  'decode',
] as const satisfies readonly Doing[];

const ModelEvent = Type.Union([
  Type.Object({ kind: Type.Literal('model'), state: Type.Literal('loading'), name: Type.String() }),
  Type.Object({
    kind: Type.Literal('model'),
    state: Type.Literal('ready'),
    name: Type.String(),
    /** That loading took. */
    ms: Type.Number(),
    /** Of memory, shared with other models or not. */
    bytes: Count,
  }),
  Type.Object({
    kind: Type.Literal('model'),
    state: Type.Literal('failed'),
    name: Type.String(),
    error: Type.String(),
  }),
  Type.Object({ kind: Type.Literal('model'), state: Type.Literal('released'), name: Type.String() }),
]);

const Event = Type.Union([
  Type.Object({ kind: Type.Literal('ready') }),
  ModelEvent,
  Type.Object({
    kind: Type.Literal('aboard'),
    doing: Type.Enum(DOING_NAMES),
    /** The model at work, or to be loaded. */
    model: Type.String(),
    ids: Ids,
  }),
  /**
   * One UNet call is done: nobody is aboard now. `calls` is what the sample takes in all; before its second stage has
   * begun that is an estimate, off by the one call that some samplers add to their steps.
   */
  Type.Object({
    kind: Type.Literal('stepped'),
    lane: Type.String(),
    ms: Type.Number(),
    maxBatchSize: Count,
    /** Rows of the call: a guided sample has two. */
    rows: Count,
    /** Prompts encoded and found encoded, since this engine started. */
    texts: Type.Object({ hits: Count, misses: Count }),
    samples: Type.Array(Type.Object({ id: Type.String(), call: Count, calls: Count })),
  }),
  /** Of a sample that wants to be seen on its way. */
  Type.Object({
    kind: Type.Literal('preview'),
    id: Type.String(),
    call: Count,
    calls: Count,
    how: Type.Enum(PREVIEW_KINDS),
    /** That it took: the device's time, in which no step was made. */
    ms: Type.Number(),
    width: Count,
    height: Count,
    /** `[height, width, 3]`. */
    rgb: Bytes,
  }),
  /** Of a sample that wants it; comes before its image. */
  Type.Object({
    kind: Type.Literal('depth_map'),
    id: Type.String(),
    width: Count,
    height: Count,
    /** `[height, width]`, near is large. */
    grey16: Words,
  }),
  Type.Object({
    kind: Type.Literal('image'),
    id: Type.String(),
    width: Count,
    height: Count,
    /** `[height, width, 3]`. */
    rgb: Bytes,
    /** Mean number of samples in the UNet calls that made it. */
    averageBatch: Type.Number(),
  }),
  /** Of a sample that has stopped at its end step. */
  Type.Object({
    kind: Type.Literal('latents'),
    id: Type.String(),
    /** A safetensors file. */
    file: Bytes,
    averageBatch: Type.Number(),
  }),
  Type.Object({
    kind: Type.Literal('failed'),
    id: Type.String(),
    failure: Type.Object({ code: Type.Enum(FAILURE_CODES), message: Type.String() }),
  }),
]);

export type EngineCommand = Static<typeof Command>;
export type EngineEvent = Static<typeof Event>;

export const parseCommand = parser('command to the engine', Command);
export const parseEvent = parser('event from the engine', Event);

/** Throws on what fits no message: both ends come from one build, so that is a defect, not an input. */
function parser<Schema extends TSchema>(what: string, schema: Schema): (message: unknown) => Static<Schema> {
  const validator = Compile(schema);
  return (message) => {
    if (validator.Check(message)) return message;
    const shape = inspect(message, { depth: 0, maxStringLength: 40 });
    throw new TypeError(`bad ${what}: ${shape} has the shape of no known kind`);
  };
}
