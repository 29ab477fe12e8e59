import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { BulkUpload } from '../../contract/bulk-upload.ts';
import type { BulkView } from '../../contract/bulk.ts';
import { PRIORITIES } from '../../domain/job.ts';
import type { KilnClient } from '../client.ts';
import { farmClient } from '../farm-client.ts';
import { followBulk } from '../follow-bulk.ts';
import { untilStopSignal } from '../signals.ts';
import { runInForeground } from './process.ts';

interface BulkOptions {
  readonly watch?: boolean;
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly onError?: string;
  readonly name?: string;
  readonly priority?: string;
  readonly diffOf?: string;
  /** `column=value`. */
  readonly set: readonly string[];
}

const TYPES: Readonly<Record<string, string>> = {
  '.csv': 'text/csv',
  '.tsv': 'text/tab-separated-values',
  '.jsonl': 'application/x-ndjson',
  '.ndjson': 'application/x-ndjson',
  '.zip': 'application/zip',
};

export function bulkCommand(): Command {
  return new Command('bulk')
    .description('send a table of jobs; with --watch, stay until its images are here as a zip')
    .argument('[file]', 'CSV, JSON Lines, or a zip of one with images; or the id of a bulk, to watch that')
    .option('--watch', 'follow it and write the zip')
    .option('--out <file>', 'where --watch writes the zip; the name of the table when absent')
    .option('--dry-run', 'check the table and say what it would cost, no more')
    .addOption(new Option('--on-error <what>', 'with rows that cannot be run').choices(['reject', 'skip']))
    .option('--name <text>')
    .addOption(new Option('--priority <name>').choices(PRIORITIES))
    .option('--diff-of <bulk>', 'do not render again what an earlier bulk has rendered')
    .option('--set <column=value>', 'for rows that have none; may be given often', addValue, [])
    .addHelpText(
      'after',
      '\nWithout a file it runs the process that feeds bulks, as `kiln api` runs the API.',
    )
    .action((file: string | undefined, options: BulkOptions) =>
      file === undefined ? runInForeground('bulk') : bulk(file, options),
    );
}

/** Exits with 1 when the bulk that was watched has no image. */
async function bulk(file: string, options: BulkOptions): Promise<void> {
  const client = farmClient(process.env);
  const accepted = /^bulk_[0-9a-f-]{36}$/.test(file)
    ? await client.bulk(file)
    : await send(file, options, client);
  if (accepted === null) return;
  if (options.watch !== true) {
    console.log(accepted.id);
    return;
  }
  const stopping = new AbortController();
  const later = `kiln bulk ${accepted.id} --watch`;
  void untilStopSignal(() => undefined).then(() =>
    stopping.abort(new Error(`bulk ${accepted.id} goes on without you; \`${later}\` watches it again`)),
  );
  const ended = await followBulk(client, accepted, stopping.signal);
  const { succeeded, failed, cancelled } = ended.counts;
  console.error(`${ended.state}: ${succeeded} rows succeeded, ${failed} failed, ${cancelled} were cancelled`);
  const out = options.out ?? zipName(file, ended);
  await writeZip(client, ended.id, out);
  console.log(out);
  if (succeeded === 0) process.exitCode = 1;
}

/** Null when it was a dry run. */
async function send(file: string, options: BulkOptions, client: KilnClient): Promise<BulkView | null> {
  const type = TYPES[extname(file).toLowerCase()];
  if (type === undefined) {
    throw new Error(`${file} must end in one of ${Object.keys(TYPES).join(', ')}`);
  }
  const body = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
  const upload = await client.uploadBulk(body, { type, query: queryOf(file, options) });
  for (const line of report(upload)) console.error(line);
  return upload.bulk;
}

function queryOf(
  file: string,
  { name, onError, priority, diffOf, dryRun, set }: BulkOptions,
): URLSearchParams {
  const options = {
    name: name ?? basename(file),
    on_error: onError,
    priority,
    diff_of: diffOf,
    dry_run: dryRun === true ? 'true' : undefined,
  };
  const query = new URLSearchParams();
  for (const [option, value] of Object.entries(options)) if (value !== undefined) query.set(option, value);
  for (const pair of set) query.set(...splitPair(pair));
  return query;
}

function report({ rows, accepted, rejected, reused, errors, errors_csv: all, quote }: BulkUpload): string[] {
  const again = reused === 0 ? '' : `, ${reused} of them rendered before`;
  const lines = [`${accepted} of ${rows} rows accepted${again}: ${quote.images} images to render`];
  for (const { line, column, message } of errors) lines.push(`  line ${line}, ${column}: ${message}`);
  if (rejected > errors.length && all !== null) lines.push(`  ${rejected} in all: ${all}`);
  if (quote.device_seconds !== null) {
    const waits = Math.ceil(quote.backlog_seconds);
    lines.push(
      `about ${Math.ceil(quote.device_seconds)} s of a device, behind ${waits} s of others, on ${quote.workers} now`,
    );
  }
  return lines;
}

/** Under another name until it is whole. */
async function writeZip(client: KilnClient, id: string, out: string): Promise<void> {
  const part = `${out}.part`;
  try {
    await pipeline(await client.bulkZip(id), createWriteStream(part));
    await rename(part, out);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

function zipName(file: string, { id }: BulkView): string {
  const table = basename(file, extname(file));
  return file === id ? `${id}.zip` : `${table}-results.zip`;
}

function addValue(pair: string, before: readonly string[]): readonly string[] {
  if (splitPair(pair)[0] === '' || !pair.includes('='))
    throw new InvalidArgumentError('must be column=value');
  return [...before, pair];
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}
