/** The share of the last minute in which the device worked, from the times at which it did. */
const SLOT_MS = 5_000;
const SLOTS = 12;

export class BusyShare {
  readonly #startedAt: number;
  /** Busy ms by number of slot, the newest few. */
  readonly #slots = new Map<number, number>();

  /** Times are ms of a monotonic clock. */
  constructor(now: number) {
    this.#startedAt = now;
  }

  /** The device worked from `from` to `to`. */
  worked(from: number, to: number): void {
    const oldest = Math.floor(to / SLOT_MS) - SLOTS;
    for (let at = Math.max(from, oldest * SLOT_MS); at < to;) {
      const slot = Math.floor(at / SLOT_MS);
      const end = Math.min(to, (slot + 1) * SLOT_MS);
      this.#slots.set(slot, (this.#slots.get(slot) ?? 0) + end - at);
      at = end;
    }
    for (const slot of this.#slots.keys()) if (slot < oldest) this.#slots.delete(slot);
  }

  /** 0 to 1. */
  at(now: number): number {
    // The slot that runs is counted as far as it has come.
    const first = Math.floor(now / SLOT_MS) - SLOTS + 1;
    const since = Math.max(first * SLOT_MS, this.#startedAt);
    let busy = 0;
    for (const [slot, ms] of this.#slots) if (slot >= first) busy += ms;
    return now <= since ? 0 : Math.min(1, busy / (now - since));
  }
}
