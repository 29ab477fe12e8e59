import type { FieldFault } from '../domain/errors.ts';
import { shownUrl } from '../domain/webhook.ts';
import { OutboundError } from './outbound-error.ts';
import { checkedUrl, type OutboundPolicy } from './outbound-url.ts';

/**
 * What can be said of a webhook's address before anything is sent there; undefined when it can be taken. What its name
 * leads to is looked at with every attempt.
 */
export function webhookFault(url: string, field: string, policy: OutboundPolicy): FieldFault | undefined {
  try {
    checkedUrl(url, policy);
    return undefined;
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return { field, value: shownUrl(url).slice(0, 64), message: error.message };
  }
}
