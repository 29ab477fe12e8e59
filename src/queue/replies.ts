/** Replies of Redis, given a type. */

/** A list; anything else, such as the null of a timeout, is an empty one. */
export function toList(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

/** A flat list of names and values, which is how Redis answers a hash to a script and the fields of a stream entry. */
export function pairUp(flat: readonly unknown[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (let n = 0; n + 1 < flat.length; n += 2) fields.set(String(flat[n]), String(flat[n + 1]));
  return fields;
}

/** JSON that Kiln stored, unchecked. */
export function parseJson(text: string): unknown {
  return JSON.parse(text);
}
