/** `resize/`: one picture, and what Pillow makes of it at other sizes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readInput } from '../../../workers/render/image/read-input.ts';
import type { ResizeFilter } from '../../../workers/render/image/resample-weights.ts';
import { resize } from '../../../workers/render/image/resize.ts';
import { maxAbsError, readJson } from '../files.ts';
import type { GoldenCase, Kind } from '../golden-case.ts';
import { list, number, record, text, type Json } from '../json.ts';

const FILTERS: readonly ResizeFilter[] = ['nearest', 'bilinear', 'bicubic', 'lanczos'];

export const resizes: Kind = {
  matches: (entry) => entry === 'resize',
  async cases(root, entry) {
    const folder = join(root.dir, entry);
    const listed = list(await readJson(join(folder, 'cases.json'))).map(record);
    return listed.map((listing) => caseOf(folder, listing));
  },
};

function caseOf(folder: string, listing: Json): GoldenCase {
  const size = { width: number(listing['width']), height: number(listing['height']) };
  const name = `resize/${text(listing['filter'])}-${size.width}x${size.height}`;
  const filter = FILTERS.find((known) => known === listing['filter']);
  if (filter === undefined) return { name, skip: 'images are never resized by this filter' };
  return {
    name,
    tolerance: 0,
    async measure() {
      const source = await readInput(await readFile(join(folder, 'in.png')), 'image');
      const expected = await readInput(await readFile(join(folder, text(listing['file']))), 'image');
      return { error: maxAbsError(resize(source, size, filter).rgb, expected.rgb) };
    },
  };
}
