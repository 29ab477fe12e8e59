/** What rows say to name an image: an upload, an address, or a file in the zip that the table came in. */
import { isUploadId } from '../inputs/input-value.ts';
import { OutboundError } from '../net/outbound-error.ts';
import { checkedUrl, type OutboundPolicy } from '../net/outbound-url.ts';
import type { CheckHost, FoundImage } from './check-host.ts';

/** Images that are fetched when their row's turn comes: a file may have a million of them. */
const LATER = 'later';
export type RowImage = FoundImage | typeof LATER;

/** Of a file: its bytes, or why they cannot be had; undefined when there is no such file. */
export type FileOrFault = Uint8Array | { readonly message: string; readonly limit?: unknown } | undefined;

/** Files beside the table. */
export interface ImageFiles {
  read(name: string): Promise<FileOrFault>;
}

/** One letter and a colon is a drive, not a scheme. */
const ADDRESS = /^[a-z][a-z0-9+.-]+:/i;
const UPLOAD_LIKE = /^up_/;
/** Names that are remembered; a file that has more is looked up again. */
const REMEMBERED = 50_000;

export class RowImages {
  readonly #host: CheckHost;
  readonly #files: ImageFiles | undefined;
  readonly #policy: OutboundPolicy;
  readonly #known = new Map<string, Promise<RowImage>>();
  /** Each image of a file is decoded by itself: two at a time keep the decoders busy. */
  readonly #turns = new Turns(2);

  constructor(host: CheckHost, policy: OutboundPolicy, files: ImageFiles | undefined) {
    this.#host = host;
    this.#policy = policy;
    this.#files = files;
  }

  find(value: string): Promise<RowImage> {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    const found = this.#find(value);
    this.#known.set(value, found);
    return found;
  }

  #find(value: string): Promise<RowImage> {
    if (isUploadId(value)) return this.#host.findUpload(value);
    const refusal = formFault(value);
    if (refusal !== undefined) return Promise.resolve({ message: refusal });
    if (ADDRESS.test(value)) return Promise.resolve(this.#address(value));
    const files = this.#files;
    if (files === undefined) {
      const message = 'is neither an upload id nor an https URL; send files in a zip with the table';
      return Promise.resolve({ message });
    }
    return this.#turns.take(async () => {
      const bytes = await files.read(value);
      if (bytes === undefined) return { message: 'is no file in the zip' };
      return bytes instanceof Uint8Array ? this.#host.takeImage(bytes) : bytes;
    });
  }

  #address(value: string): RowImage {
    try {
      checkedUrl(value, this.#policy);
      return LATER;
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      return { message: error.message };
    }
  }
}

function formFault(value: string): string | undefined {
  if (UPLOAD_LIKE.test(value)) return "is no upload id: 'up_' and 64 digits 0-9a-f";
  if (!/^data:/i.test(value)) return undefined;
  return 'is a data: URL; put the image into the zip, or upload it and give its id';
}

class Turns {
  #free: number;
  readonly #waiting: Array<() => void> = [];

  constructor(count: number) {
    this.#free = count;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
