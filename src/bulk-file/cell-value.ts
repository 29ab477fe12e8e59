/** The text of a cell becomes the value that the schema wants; what does not is left for the schema to refuse. */
import type { Column } from './columns.ts';

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
]);
/** Inside a cell; a comma is most often what ends it. */
const LIST_SEPARATORS = /[\s;,|]+/;

/** `text` is not empty: that means the same as no cell. */
export function cellValue(text: string, type: Column['type']): unknown {
  switch (type) {
    case 'text':
      // A line break in a cell is what the program that wrote the file takes for one.
      return text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text;
    case 'number':
      return NUMBER.test(text) ? Number(text) : text;
    case 'boolean':
      return BOOLEANS.get(text.toLowerCase()) ?? text;
    case 'list':
      return text
        .replace(/^\[(.*)\]$/s, '$1')
        .split(LIST_SEPARATORS)
        .filter((part) => part !== '')
        .map((part) => (NUMBER.test(part) ? Number(part) : part));
  }
}
