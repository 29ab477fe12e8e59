/** The store failed, not its caller: the same call may succeed later. Its cause holds no credentials. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  /** Key or prefix that the call was about. */
  readonly key: string;

  /** The message reads `<subject> <key> was not <done>: <reason>`. */
  constructor(call: { subject?: string; key: string; done: string }, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${call.subject ?? 'object'} ${call.key} was not ${call.done}: ${reason}`, { cause });
    this.key = call.key;
  }
}
