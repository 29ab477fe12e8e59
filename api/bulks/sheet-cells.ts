import type { SheetCell } from '../../src/images/sheet/contact-sheet.ts';
import { resultRows } from './result-rows.ts';
import type { BulkResults } from './results.ts';

/** The first images of a bulk that are there, with what was asked for. */
export async function* sheetCells(
  { sources, bulk }: Pick<BulkResults, 'sources' | 'bulk'>,
  count: number,
): AsyncGenerator<SheetCell> {
  let left = count;
  for await (const rows of resultRows(sources, bulk)) {
    const pictures = rows.flatMap(({ row, ref, prompt: title, images }) =>
      images.map(({ key, seed }) => ({ key, title, note: `${ref ?? `row ${row + 1}`} · seed ${seed}` })),
    );
    for (const { key, title, note } of pictures) {
      if (left === 0) return;
      const image = await sources.store.get(key);
      if (image === undefined) continue;
      left--;
      yield { image, title, note };
    }
  }
}
