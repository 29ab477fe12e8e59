/** A model that Kiln cannot run as it lies on disk: the message names the file, the thing, its value and the limit. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}

/** Long problem lists are cut: the first ones tell what is wrong, and a log line stays readable. */
const SHOWN_PROBLEMS = 20;

export function listProblems(title: string, problems: readonly string[]): string {
  const shown = problems.slice(0, SHOWN_PROBLEMS).map((problem) => `\n  - ${problem}`);
  const rest = problems.length - shown.length;
  return `${title}: ${problems.length} problem(s)${shown.join('')}${rest > 0 ? `\n  - and ${rest} more` : ''}`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
