/**
 * The child that checks the file of a bulk: parsing and checking a million rows takes a core for a while, and memory
 * that should be gone afterwards. It has no secrets, reaches nothing but its parent, checks one file, and ends.
 */
import { open } from 'node:fs/promises';
import process, { stdin } from 'node:process';
import { KilnError } from '../../domain/errors.ts';
import { openArchive } from '../archive.ts';
import { checkFile } from '../check-file.ts';
import type { Bytes } from '../encoding.ts';
import { AskingHost } from './asking-host.ts';
import { toOrder, type FromChild, type Order } from './protocol.ts';

const host = new AskingHost(send);
process.on('disconnect', () => process.exit(1));
// Ctrl-C reaches the whole process group; the parent says when to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

process.once('message', (message) => {
  process.on('message', (answer) => host.hear(answer));
  void check(toOrder(message)).then(
    (last) => process.send?.(last, () => process.exit(0)),
    // Without a last word the parent knows that the check has failed.
    () => process.exit(1),
  );
});

function send(message: FromChild): void {
  process.send?.(message);
}

async function check({ order, path }: Order): Promise<FromChild> {
  try {
    if (path === null) return { kind: 'report', report: await checkFile(stdin, undefined, order, host) };
    const file = await open(path);
    const { format, table, images } = await openArchive(file.fd);
    const report = await checkFile(kept(table), images, { ...order, format }, host);
    return { kind: 'report', report };
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return { kind: 'refused', message: error.message, faults: error.faults };
  }
}

/** The table of a zip, which is stored as it is read: the zip is not. */
async function* kept(table: Bytes): AsyncGenerator<Uint8Array> {
  for await (const piece of table) {
    await host.writeTable(piece);
    yield piece;
  }
}
