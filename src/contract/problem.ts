/** The one shape of every error answer: RFC 9457, plus a stable `code` and what is wrong field by field. */
import { Type, type Static } from 'typebox';
import { ERRORS, type ErrorCode } from '../domain/errors.ts';

const CODES = Object.keys(ERRORS).filter((code): code is ErrorCode => code in ERRORS);

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'URI of the kind of error; made of the code' }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String({ description: 'What went wrong this time, for a person' }),
    code: Type.Enum(CODES, { description: 'Stable; `docs/errors.md` explains each' }),
    errors: Type.Array(
      Type.Object(
        {
          field: Type.String({ description: 'Path in the body, or the name of a parameter or header' }),
          value: Type.Optional(Type.Unknown({ description: 'What was sent, shortened' })),
          limit: Type.Optional(Type.Unknown({ description: 'What would have been accepted' })),
          message: Type.String(),
        },
        { additionalProperties: false },
      ),
      { description: 'Every field at fault, at most 16' },
    ),
    request_id: Type.String({ description: 'Also in the X-Request-Id header and in the log' }),
  },
  { $id: 'Problem', additionalProperties: false },
);
export type Problem = Static<typeof Problem>;
