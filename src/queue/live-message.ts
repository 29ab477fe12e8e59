/** What is heard of a running job while it is listened to. Losing one loses nothing: the record says the same later. */
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { PREVIEW_KINDS } from '../domain/job.ts';
import { parseJson } from './replies.ts';

const Count = Type.Integer({ minimum: 0 });

const Preview = Type.Object({
  kind: Type.Literal('preview'),
  /** Fence of the run that it is of. */
  run: Count,
  /** The image, counted from 0, and how far it is. */
  n: Count,
  step: Count,
  steps: Count,
  how: Type.Enum(PREVIEW_KINDS),
  /** That the device took for it. */
  ms: Type.Number(),
  width: Count,
  height: Count,
  contentType: Type.String(),
  /** Base64. */
  data: Type.String(),
});
export type LivePreview = Static<typeof Preview>;

const Progress = Type.Object({
  kind: Type.Literal('progress'),
  run: Count,
  step: Count,
  steps: Count,
  etaSeconds: Type.Union([Type.Number(), Type.Null()]),
});

const Message = Type.Union([Progress, Preview]);
export type LiveMessage = Static<typeof Message>;

const message = Compile(Message);

/** Undefined for what this version does not know. */
export function toLiveMessage(text: string): LiveMessage | undefined {
  const value = parseJson(text);
  return message.Check(value) ? value : undefined;
}
