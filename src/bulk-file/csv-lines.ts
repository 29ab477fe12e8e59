/** Records -> CSV that spreadsheet programs show as text, whatever is in it. */
import { stringify } from 'csv-stringify/sync';

/** Read as an equals sign by programs that care for users of full-width letters; csv-stringify escapes the others. */
const FULL_WIDTH = /^[＝＋－＠]/;

/**
 * One line each, ended by LF. A cell that would start a formula begins with an apostrophe instead; so does a negative
 * number. Undefined and null are empty.
 */
export function csvLines(records: readonly (readonly unknown[])[]): string {
  if (records.length === 0) return '';
  return stringify([...records], {
    escape_formulas: true,
    cast: { string: (text) => (FULL_WIDTH.test(text) ? `'${text}` : text) },
  });
}
