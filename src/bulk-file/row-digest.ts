/** What tells a row from others: two rows of the same digest ask for the same pictures. */
import { createHash } from 'node:crypto';
import type { TakenRow } from './row-checker.ts';

/** Of 16 bytes: no two rows of any two bulks are mistaken for each other. */
const WORDS = 4;

/**
 * Labels, webhooks, previews and the urgency are not in the pictures. Seeds count only when the row chose them: rows without are
 * given others each time, and only their number says something.
 */
export function rowDigest({ row, hasOwnSeeds }: TakenRow): Uint32Array {
  if ('params' in row) {
    const {
      seeds,
      metadata: _labels,
      webhook: _webhook,
      priority: _priority,
      bulk: _bulk,
      preview: _preview,
      ...rest
    } = row.params;
    return digestOf({ ...rest, seeds: hasOwnSeeds ? seeds : seeds.length });
  }
  const {
    seed,
    metadata: _labels,
    webhook: _webhook,
    priority: _priority,
    preview: _preview,
    ...rest
  } = row.request;
  const fields = { ...rest, model: row.model.name, ...(hasOwnSeeds ? { seed } : {}) };
  return digestOf(Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function digestOf(value: unknown): Uint32Array {
  const bytes = createHash('sha256').update(JSON.stringify(value)).digest();
  return Uint32Array.from({ length: WORDS }, (_, n) => bytes.readUInt32LE(4 * n));
}
