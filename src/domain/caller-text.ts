/** Reasons of failures in the words of libraries and file systems, made fit for those who sent the job. */

const MAX_CHARS = 1_000;

/**
 * Names below the given folders stay, the folders themselves go: where a server keeps its files is nobody else's
 * business. Long texts are cut; the log has them whole.
 */
export function forCallers(text: string, folders: readonly string[]): string {
  const longestFirst = folders.toSorted((a, b) => b.length - a.length);
  const short = longestFirst.reduce((rest, folder) => rest.replaceAll(`${folder}/`, ''), text);
  return short.length <= MAX_CHARS ? short : `${short.slice(0, MAX_CHARS)} ...`;
}
