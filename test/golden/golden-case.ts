/** What a folder of reference data is turned into: cases that are run one by one. */
interface RunnableCase {
  readonly name: string;
  /** The largest absolute error that still passes; 0 means equal. */
  readonly tolerance: number;
  /** Rejects when there is no result to compare. */
  readonly measure: () => Promise<Measurement>;
}

export interface Measurement {
  /** The largest absolute error. */
  readonly error: number;
  /** What a reader must know of how the result came about. */
  readonly note?: string;
}

interface SkippedCase {
  readonly name: string;
  readonly skip: string;
}

export type GoldenCase = RunnableCase | SkippedCase;

export interface GoldenRoot {
  readonly dir: string;
  /** Folders that may hold models, by name, in order of preference. */
  readonly modelFolders: readonly string[];
}

/** One kind of reference data: which entries of a folder it reads, and the cases in one of them. */
export interface Kind {
  readonly matches: (entry: string) => boolean;
  readonly cases: (root: GoldenRoot, entry: string) => Promise<readonly GoldenCase[]>;
}

export type Outcome = MeasuredOutcome | UnmeasuredOutcome;

interface MeasuredOutcome extends Measurement {
  readonly outcome: 'ok' | 'FAIL';
  readonly name: string;
  readonly tolerance: number;
}

interface UnmeasuredOutcome {
  readonly outcome: 'FAIL' | 'skip';
  readonly name: string;
  readonly reason: string;
}

/** A case that throws has failed; it never stops the run. */
export async function runCase(golden: GoldenCase): Promise<Outcome> {
  const { name } = golden;
  if ('skip' in golden) return { outcome: 'skip', name, reason: golden.skip };
  try {
    const measurement = await golden.measure();
    // Written so that NaN fails.
    const outcome = measurement.error <= golden.tolerance ? 'ok' : 'FAIL';
    return { outcome, name, tolerance: golden.tolerance, ...measurement };
  } catch (error) {
    return { outcome: 'FAIL', name, reason: messageOf(error) };
  }
}

/** On one line, with the causes. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`;
  return `${error.message}${cause}`.replace(/\s*\n\s*/g, '; ');
}
