/**
 * The child that makes contact sheets: decoding pictures is nothing for a process that answers callers. It is given cells
 * one at a time, each answered when it is fitted, and then an end, answered with the sheet.
 */
import { Buffer } from 'node:buffer';
import { fitted, sheetOf, type SheetCell } from './contact-sheet.ts';

const cells: SheetCell[] = [];

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the parent says when to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('message', (message) => void answer(message));

async function answer(message: unknown): Promise<void> {
  if (message === 'end') process.send?.(await sheetOf(cells));
  else {
    cells.push(await fitted(toCell(message)));
    process.send?.('next');
  }
}

function toCell(message: unknown): SheetCell {
  if (typeof message === 'object' && message !== null && 'image' in message) {
    const { image } = message;
    const text = new Map<string, unknown>(Object.entries(message));
    if (image instanceof Uint8Array) {
      return { image: Buffer.from(image), title: String(text.get('title')), note: String(text.get('note')) };
    }
  }
  throw new Error('a sheet is made of cells and nothing else');
}
