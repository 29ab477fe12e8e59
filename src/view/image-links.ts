/** Links to images that work without an API key: whoever holds one may read that one image until it expires. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { JobRef } from '../domain/job.ts';

/** The last part of a link: an image or latents by their number, or the one depth map of a job. */
export type ImageName = number | 'depth-map' | `latents-${number}`;

export class ImageLinks {
  readonly #readSecret: () => Promise<Buffer>;
  readonly #ttlMs: number;
  #secret: Buffer | undefined;

  /** `readSecret` gives the farm's one secret, so that every API process takes the links of every other. */
  constructor(readSecret: () => Promise<Buffer>, ttlMs: number) {
    this.#readSecret = readSecret;
    this.#ttlMs = ttlMs;
  }

  /** Gives paths (with their query) of links that work from now on for the configured time. */
  async signer(): Promise<(ref: JobRef, name: ImageName) => string> {
    const secret = await this.#farmSecret();
    const expires = Math.ceil((Date.now() + this.#ttlMs) / 1_000);
    return (ref, name) => {
      const signature = signatureOf(secret, ref, [String(name), String(expires)]).toString('base64url');
      return `/v1/jobs/${ref.id}/images/${name}?expires=${expires}&signature=${signature}`;
    };
  }

  /** Seconds that a link still works; 0 when it has expired or is not of this farm. */
  async remaining(ref: JobRef, link: { name: string; expires: string; signature: string }): Promise<number> {
    const expected = signatureOf(await this.#farmSecret(), ref, [link.name, link.expires]);
    const given = Buffer.from(link.signature, 'base64url');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 0;
    return Math.max(0, Number(link.expires) - Math.floor(Date.now() / 1_000));
  }

  async #farmSecret(): Promise<Buffer> {
    this.#secret ??= await this.#readSecret();
    return this.#secret;
  }
}

/** JSON keeps the parts apart: no two different lists give the same text. */
function signatureOf(secret: Buffer, { tenant, id }: JobRef, parts: [name: string, expires: string]): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([tenant, id, ...parts]))
    .digest();
}
