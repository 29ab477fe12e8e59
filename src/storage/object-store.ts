/**
 * Where images live. Keys are `<tenant>/jobs/<job>/<fence>/<n>.<ext>` and `<tenant>/jobs/<job>/job.json`.
 * `put` is atomic: a reader sees the whole object or none. Errors are thrown with the key in the message.
 */
export interface ObjectStore {
  put(key: string, bytes: Uint8Array, contentType: string): Promise<void>;
  /** The object's bytes, or undefined when there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Keys below a prefix that ends in '/', in any order. */
  list(prefix: string): Promise<string[]>;
  /** Deleting what is not there is fine. */
  delete(key: string): Promise<void>;
}
