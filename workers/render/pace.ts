/**
 * When a job will be done, from its pace so far, waits in the engine included. The two stages of a job go at paces of
 * their own, so the pace is measured anew in each lane; the earlier one counts until the new one can be measured.
 */
const SECOND = 1_000;

export class Pace {
  readonly #lanes = new Set<string>();
  #from = { at: 0, step: 0 };
  #msPerStep: number | null = null;

  /** The job has made a step in a lane and has now done `step` in all. `now` in ms of a monotonic clock. */
  stepped(lane: string, step: number, now: number): void {
    if (this.#lanes.has(lane)) return;
    this.#msPerStep = this.#measure(step - 1, now);
    this.#lanes.add(lane);
    this.#from = { at: now, step };
  }

  /** Null before there is a pace. */
  etaSeconds(progress: { step: number; steps: number }, now: number): number | null {
    const msPerStep = this.#measure(progress.step, now);
    if (msPerStep === null) return null;
    return Math.round((msPerStep / SECOND) * (progress.steps - progress.step) * 10) / 10;
  }

  #measure(step: number, now: number): number | null {
    const { at, step: first } = this.#from;
    const isMeasurable = this.#lanes.size > 0 && step > first && now > at;
    return isMeasurable ? (now - at) / (step - first) : this.#msPerStep;
  }
}
