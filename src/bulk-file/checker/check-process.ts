/** One check of a file, in a child of its own. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { KilnError } from '../../domain/errors.ts';
import { packageRoot } from '../../paths.ts';
import type { CheckOrder } from '../check-file.ts';
import type { CheckHost, CheckReport } from '../check-host.ts';
import type { Bytes } from '../encoding.ts';
import { toFromChild, type Ask, type FromChild, type Order } from './protocol.ts';

/** Megabytes. A million rows pass through far less; the index of an earlier bulk takes some 50. */
const HEAP_MB = 192;
/** A larger nursery halves the time for collecting garbage: nearly all that a row needs is gone with it. */
const NURSERY_MB = 16;

/** Found from the root, since processes run compiled code whoever starts them. */
const ENTRY = join(packageRoot(), 'dist', 'src', 'bulk-file', 'checker', 'main.js');

/** What the table is in: bytes of it, or the path of a zip that holds it. */
export type CheckedSource = { readonly table: Bytes } | { readonly zip: string };

export interface ParentHost extends CheckHost {
  /** Keeps the next piece of the table that was found in the zip. */
  writeTable(text: Uint8Array): Promise<void>;
}

export interface CheckOptions {
  /** Ends the child; the check then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  readonly entry?: string;
}

/**
 * Throws KilnError `invalid_request` when the file as such cannot be taken, the error of the host or of the source when
 * one of them fails, and a plain error when the child dies.
 */
export async function checkInChild(
  source: CheckedSource,
  order: CheckOrder,
  host: ParentHost,
  { signal, entry = ENTRY }: CheckOptions,
): Promise<CheckReport> {
  signal.throwIfAborted();
  const child = fork(entry, [], {
    serialization: 'advanced',
    execArgv: [`--max-old-space-size=${HEAP_MB}`, `--max-semi-space-size=${NURSERY_MB}`],
    // No secret of the API's environment is in the child's.
    env: {},
    stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
  });
  const isZip = 'zip' in source;
  const sent: Order = { order, path: isZip ? source.zip : null };
  const giveUp = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    child.send(sent);
    const fed = isZip ? Promise.resolve() : feed(source.table, child);
    const last = await Promise.race([lastWord(child, host), failure(fed)]);
    if (last.kind === 'report') return last.report;
    throw new KilnError('invalid_request', last.message, { faults: last.faults });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
    giveUp();
  }
}

/** A child that has seen enough closes its end, which is no failure of the source. */
async function feed(table: Bytes, { stdin }: ChildProcess): Promise<void> {
  if (stdin === null) throw new Error('the check has no stdin');
  try {
    await pipeline(Readable.from(table, { objectMode: false }), stdin);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EPIPE' && code !== 'ECONNRESET' && code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

/** Never resolves: that all is fed says nothing. */
function failure(fed: Promise<void>): Promise<never> {
  return new Promise((_resolve, reject) => {
    fed.catch(reject);
  });
}

/** Does what the child asks for until it has said its last word. */
function lastWord(child: ChildProcess, host: ParentHost): Promise<Exclude<FromChild, { kind: 'ask' }>> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      try {
        const said = toFromChild(message);
        if (said.kind !== 'ask') {
          resolve(said);
          return;
        }
        // A child that is gone by now needs no answer.
        const reply = (answer: unknown): void => void child.send({ id: said.id, answer }, () => undefined);
        done(said.ask, host).then(reply, reject);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    child.once('error', reject);
    child.once('close', (code, signal) =>
      reject(new Error(`the check of a file ended without a word (${signal ?? `exit code ${code}`})`)),
    );
  });
}

function done(ask: Ask, host: ParentHost): Promise<unknown> {
  switch (ask.ask) {
    case 'findUpload':
      return host.findUpload(ask.upload);
    case 'takeImage':
      return host.takeImage(ask.file);
    case 'writeRows':
      return host.writeRows(ask.chunk, ask.lines);
    case 'writeFaults':
      return host.writeFaults(ask.text);
    case 'writeTable':
      return host.writeTable(ask.text);
    case 'previousChunk':
      return host.previousChunk(ask.chunk);
    case 'previousOutcomes':
      return host.previousOutcomes(ask.rows);
  }
}
