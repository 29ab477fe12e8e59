/**
 * Between the API and the child that checks a file. The parent sends one order; the child asks for what it needs, a few
 * things at a time, and at the end tells its report, or why the file cannot be taken.
 */
import { Type, type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { FieldFault } from '../../domain/errors.ts';
import type { FoundImage, CheckReport, PreviousChunk } from '../check-host.ts';
import type { CheckOrder } from '../check-file.ts';

/** Messages between two processes of one Kiln: what they are is looked at, not all that is in them. */
const Bytes = Type.Refine(Type.Unsafe<Uint8Array>({}), (value) => value instanceof Uint8Array);
const Count = Type.Integer({ minimum: 0 });
const Anything = { type: 'object' } as const;

export const Order = Type.Object({
  order: Type.Unsafe<CheckOrder>(Anything),
  /** Of a zip; without, the table comes through stdin. */
  path: Type.Union([Type.String(), Type.Null()]),
});
export type Order = Static<typeof Order>;

const Ask = Type.Union([
  Type.Object({ ask: Type.Literal('findUpload'), upload: Type.String() }),
  Type.Object({ ask: Type.Literal('takeImage'), file: Bytes }),
  Type.Object({ ask: Type.Literal('writeRows'), chunk: Count, lines: Bytes }),
  Type.Object({ ask: Type.Literal('writeFaults'), text: Bytes }),
  Type.Object({ ask: Type.Literal('writeTable'), text: Bytes }),
  Type.Object({ ask: Type.Literal('previousChunk'), chunk: Count }),
  Type.Object({ ask: Type.Literal('previousOutcomes'), rows: Type.Array(Count) }),
]);
export type Ask = Static<typeof Ask>;

const FromChild = Type.Union([
  Type.Object({ kind: Type.Literal('ask'), id: Count, ask: Ask }),
  Type.Object({ kind: Type.Literal('report'), report: Type.Unsafe<CheckReport>(Anything) }),
  Type.Object({
    kind: Type.Literal('refused'),
    message: Type.String(),
    faults: Type.Unsafe<readonly FieldFault[]>({ type: 'array' }),
  }),
]);
export type FromChild = Static<typeof FromChild>;

const FromParent = Type.Object({ id: Count, answer: Type.Unknown() });

const order = Compile(Order);
const fromChild = Compile(FromChild);
const fromParent = Compile(FromParent);
const image = Compile(
  Type.Unsafe<FoundImage>({
    type: 'object',
    anyOf: [{ required: ['id', 'width', 'height'] }, { required: ['message'] }],
  }),
);
const chunk = Compile(Type.Object({ lines: Bytes, succeeded: Bytes }));
const texts = Compile(Type.Array(Type.String()));

export function toOrder(message: unknown): Order {
  if (order.Check(message)) return message;
  throw new Error('the check was given something else than an order');
}

export function toFromChild(message: unknown): FromChild {
  if (fromChild.Check(message)) return message;
  throw new Error('the check of a file said something that is not known');
}

export function toAnswer(message: unknown): Static<typeof FromParent> {
  if (fromParent.Check(message)) return message;
  throw new Error('the check was answered with something that is not known');
}

export function toFoundImage(answer: unknown): FoundImage {
  if (image.Check(answer)) return answer;
  throw new Error('the answer is no image');
}

export function toPreviousChunk(answer: unknown): PreviousChunk | undefined {
  if (answer === undefined || chunk.Check(answer)) return answer;
  throw new Error('the answer is no chunk');
}

export function toTexts(answer: unknown): string[] {
  if (texts.Check(answer)) return answer;
  throw new Error('the answer is no list of texts');
}
