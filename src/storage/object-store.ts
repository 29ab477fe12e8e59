/**
 * Where images live. Keys are `<tenant>/jobs/<job>/<fence>/<n>.<ext>`, `<tenant>/jobs/<job>/job.json` and, of images
 * that callers sent, `<tenant>/inputs/<id>.png`.
 * `put` is atomic: a reader sees the whole object or none. A store that fails throws a StoreError, which names the key;
 * a key that breaks `key-rules.ts` is the caller's fault and a plain error.
 */
export interface ObjectStore {
  put(key: string, bytes: Uint8Array, contentType: string): Promise<void>;
  /** The object's bytes, or undefined when there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** At most the first `length` bytes, and the size of the whole; undefined when there is no such object. */
  getStart(key: string, length: number): Promise<ObjectStart | undefined>;
  /** Makes an object as young for `deleteUnused` as one that was just put. False when there is none. */
  touch(key: string): Promise<boolean>;
  /** Keys below a prefix that ends in '/', in any order. */
  list(prefix: string): Promise<string[]>;
  /** Deleting what is not there is fine. */
  delete(key: string): Promise<void>;
  /**
   * Deletes the objects below a prefix that were neither put nor touched for `ageMs`; gives their number. Age is looked
   * at right before each is deleted, so one that is used again during a long sweep stays.
   */
  deleteUnused(prefix: string, ageMs: number): Promise<number>;
  /**
   * A URL by which anybody can read the object, from the store itself, for some seconds. Undefined when there is no such
   * object and when the store has no such URLs.
   */
  signLink(key: string, link: LinkOptions): Promise<string | undefined>;
}

export interface LinkOptions {
  readonly seconds: number;
  /** What the answer's headers will say, whatever the object was put as. */
  readonly contentType: string;
  readonly contentDisposition: string;
}

export interface ObjectStart {
  readonly start: Uint8Array;
  /** Bytes of the whole object. */
  readonly size: number;
}
