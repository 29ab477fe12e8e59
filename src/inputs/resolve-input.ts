/** What a job names as its image becomes the id of an object in the store. */
import type { Config } from '../config.ts';
import { INPUT_LIMITS } from '../domain/input-limits.ts';
import type { InputId } from '../domain/job.ts';
import { guardedFetch } from '../net/guarded-fetch.ts';
import { OutboundError } from '../net/outbound-error.ts';
import { ByteBudget } from './byte-budget.ts';
import type { ImageIntake } from './image-intake.ts';
import { inputFault } from './input-fault.ts';
import { parseInputValue } from './input-value.ts';

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

const FETCH_LIMITS = { bytes: INPUT_LIMITS.fileBytes, deadlineMs: 15_000 };
/** Of answers that are read, each counted with all that it may become: a slow one holds its share for a while. */
const FETCHES_AT_ONCE = 16;

export function inputResolver({
  intake,
  config: { outbound: policy },
}: {
  readonly intake: ImageIntake;
  readonly config: Pick<Config, 'outbound'>;
}): ResolveInput {
  const budget = new ByteBudget(FETCHES_AT_ONCE * FETCH_LIMITS.bytes);
  return async (value, field, tenant) => {
    const source = { field, value };
    const input = parseInputValue(source);
    if (input.kind === 'file') return intake.take(input.bytes, tenant, source);
    if (input.kind === 'upload') {
      const found = await intake.find(input.id, tenant);
      if (found === undefined) throw inputFault(source, 'names an upload that does not exist, or no longer');
      return found;
    }
    const giveBack = budget.take(FETCH_LIMITS.bytes);
    try {
      const file = await guardedFetch(input.address, { policy, limits: FETCH_LIMITS });
      return await intake.take(file, tenant, source);
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      throw inputFault(source, error.message, { cause: error });
    } finally {
      giveBack();
    }
  };
}
