/** What a stream of events needs to know of a job or a bulk. The two say it of themselves, the stream does the rest. */

/** One change of state. */
export interface Change {
  /** Of its event in the outbox: `<ms>-<number>`, growing. */
  readonly id: string;
  readonly data: unknown;
}

export interface Look {
  /** Those after the id that was asked about, oldest first. */
  readonly changes: readonly Change[];
  /** Of a job that is running, and of a bulk. */
  readonly progress: unknown;
  /** Nothing will follow. */
  readonly isOver: boolean;
}

/** What does not wait to be looked for, and may be left out. */
export interface Passing {
  readonly event: 'progress' | 'preview';
  /** Takes the place of one with the same key that has not been sent yet. */
  readonly key: string;
  readonly data: unknown;
}

export interface Ear {
  /** A look may show something new. */
  readonly onChange: () => void;
  readonly onPassing: (passing: Passing) => void;
}

export interface Followed {
  /** Between two looks, for what changes all the time. */
  readonly pauseMs: number;
  /** Changes after this id. Rejects with `not_found`. */
  look(after: string): Promise<Look>;
  /** What passing news there were before; asked once, at the start. */
  latest(): Promise<readonly Passing[]>;
  /** Hears what comes from now on. Gives what stops it. */
  listen(ear: Ear): () => void;
}

/** Before every event. */
export const FROM_THE_START = '0-0';
