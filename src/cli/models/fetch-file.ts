/** One file from the hub into a folder, through broken connections and broken runs. */
import type { HubBody, HubFile } from './hub.ts';
import { isComplete, PartialFile } from './partial-file.ts';
import { retrying, TransientError, type RetryOptions } from './retry.ts';

export interface FetchOptions {
  /** One request for the bytes from `offset` on. */
  readonly source: (file: HubFile, offset: number) => Promise<HubBody>;
  readonly retry: RetryOptions;
  /** Bytes of the file that are here, after each chunk. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Asks for the bytes alone that an earlier attempt or run did not leave. A file that turns out wrong is removed; where
 * some of it was left by an earlier run it is fetched once more from its first byte.
 * @throws Error naming the file
 */
export async function fetchFile(file: HubFile, folder: string, options: FetchOptions): Promise<void> {
  if (await isComplete(file, folder)) return options.onBytes(file.bytes);
  const partial = await PartialFile.open(file, folder);
  try {
    const inherited = partial.bytes;
    options.onBytes(inherited);
    await fill(file, partial, options);
    if (!partial.isRight && inherited > 0) {
      options.retry.notice(`${file.path}: what an earlier run left is damaged; fetching all of it`);
      await partial.clear();
      await fill(file, partial, options);
    }
  } catch (error) {
    await partial.close();
    throw error;
  }
  if (partial.isRight) return partial.finish();
  await partial.remove();
  throw new Error(
    `${file.path}: the hub served bytes that are not the published ones (${file.checksum.kind} ` +
      `${file.checksum.hex}); they are removed`,
  );
}

async function fill(file: HubFile, partial: PartialFile, options: FetchOptions): Promise<void> {
  await retrying(() => fetchRest(file, partial, options), {
    ...options.retry,
    progress: () => partial.bytes,
  });
}

/** Leaves more than the file's size where the server sends too much: the checksum then fails. */
async function fetchRest(
  file: HubFile,
  partial: PartialFile,
  { source, onBytes }: FetchOptions,
): Promise<void> {
  if (partial.bytes === file.bytes) return;
  const { start, chunks } = await source(file, partial.bytes);
  if (start !== partial.bytes) await partial.clear();
  for await (const chunk of chunks) {
    await partial.append(chunk);
    if (partial.bytes > file.bytes) return;
    onBytes(partial.bytes);
  }
  if (partial.bytes < file.bytes)
    throw new TransientError(`${file.path}: the connection ended at ${partial.bytes} of ${file.bytes} bytes`);
}
