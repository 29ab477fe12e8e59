/** What a job names as its image becomes the id of an object in the store. */
import type { InputId } from '../../src/domain/job.ts';

export interface ResolvedInput {
  readonly id: InputId;
  /** Pixels of the canonical image. */
  readonly width: number;
  readonly height: number;
}

/**
 * Takes an upload id, a `data:` URL, base64, or an https URL. The image is in the store when it resolves, and stays for
 * KILN_INPUT_TTL_HOURS. A fault is a KilnError that names `field`.
 */
export type ResolveInput = (value: string, field: string, tenant: string) => Promise<ResolvedInput>;
