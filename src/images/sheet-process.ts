/** A contact sheet, made in a process of its own. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../paths.ts';
import type { SheetCell } from './sheet/contact-sheet.ts';

const HEAP_MB = 64;
/** Found from the root, since processes run compiled code whoever starts them. */
const ENTRY = join(packageRoot(), 'dist', 'src', 'images', 'sheet', 'main.js');

/** One PNG of the cells, which are asked for one at a time. Throws when the child dies, and what `signal` says. */
export async function makeSheet(cells: AsyncIterable<SheetCell>, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const child = fork(ENTRY, [], {
    serialization: 'advanced',
    execArgv: [`--max-old-space-size=${HEAP_MB}`],
    env: {},
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const giveUp = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    for await (const cell of cells) await ask(child, cell);
    const sheet = await ask(child, 'end');
    if (sheet instanceof Uint8Array) return sheet;
    throw new Error('the child gave no sheet');
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
    giveUp();
  }
}

/** One question at a time. */
function ask(child: ChildProcess, question: SheetCell | 'end'): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null): void =>
      reject(new Error(`a contact sheet was given up (exit ${code})`));
    child.once('error', reject);
    child.once('close', gone);
    child.once('message', (answer) => {
      child.off('error', reject);
      child.off('close', gone);
      resolve(answer);
    });
    // A closed channel belongs to a child that is about to be found gone.
    child.send(question, () => undefined);
  });
}
