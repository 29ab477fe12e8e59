/** Makes an OpenAPI document shorter and easier to read: a shape that has a name is written once, and referred to. */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';

type Json = Readonly<Record<string, unknown>>;

type Transform = NonNullable<FastifyDynamicSwaggerOptions['transformObject']>;

export function withNamedParts(document: Parameters<Transform>[0]): ReturnType<Transform> {
  if (!('openapiObject' in document)) return document.swaggerObject;
  const schemas: Json = document.openapiObject.components?.schemas ?? {};
  Object.assign(schemas, referToNamedParts(schemas));
  return document.openapiObject;
}

/** Gives the schemas of a document, each with references in place of the named shapes inside it. */
function referToNamedParts(schemas: Json): Record<string, unknown> {
  const names = new Map(Object.entries(schemas).map(([name, schema]) => [JSON.stringify(schema), name]));
  const referring = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(referring);
    if (!isObject(value)) return value;
    const name = names.get(JSON.stringify(value));
    return name === undefined ? parts(value) : { $ref: `#/components/schemas/${name}` };
  };
  const parts = (schema: Json): Json =>
    withMapping(
      Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, referring(value)])),
      schema,
    );
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, isObject(schema) ? parts(schema) : schema]),
  );
}

/**
 * Says which value of the discriminator stands for which shape; without it, readers expect shapes to be called like the
 * values. It is missing in the schemas themselves because Ajv takes none.
 */
function withMapping(referring: Json, { discriminator, oneOf }: Json): Json {
  if (!isObject(discriminator) || typeof discriminator['propertyName'] !== 'string') return referring;
  const references = referring['oneOf'];
  if (!Array.isArray(oneOf) || !Array.isArray(references)) return referring;
  const property = discriminator['propertyName'];
  const mapping: Record<string, unknown> = {};
  for (const [n, shape] of oneOf.entries()) {
    const reference: unknown = references[n];
    if (isObject(reference)) mapping[tagOf(shape, property)] = reference['$ref'];
  }
  return { ...referring, discriminator: { ...discriminator, mapping } };
}

/** The one value that a shape allows for the property. */
function tagOf(shape: unknown, property: string): string {
  const properties = isObject(shape) ? shape['properties'] : undefined;
  const tag = isObject(properties) ? properties[property] : undefined;
  const values = isObject(tag) ? tag['enum'] : undefined;
  if (!Array.isArray(values) || values.length !== 1) throw new Error(`a shape must allow one ${property}`);
  return String(values[0]);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
