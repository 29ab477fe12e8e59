import { Type, type TUnsafe } from 'typebox';

type Primitive = 'string' | 'integer' | 'number';
type ValueOf<T extends Primitive> = T extends 'string' ? string : number;

/** A primitive or null as one `type` list: OpenAPI 3.1 generators read it as nullable, unlike an anyOf. */
export function nullable<T extends Primitive>(
  type: T,
  options: {
    description?: string;
    format?: string;
    minimum?: number;
    maximum?: number;
    maxLength?: number;
  } = {},
): TUnsafe<ValueOf<T> | null> {
  return Type.Unsafe<ValueOf<T> | null>({ type: [type, 'null'], ...options });
}
