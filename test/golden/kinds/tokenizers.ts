/** `tokenizer-<name>.json`: prompts and their ids. */
import { join } from 'node:path';
import { ClipTokenizer } from '../../../workers/render/diffusion/tokenizer.ts';
import { entriesOf, firstExisting, maxAbsError, readJson } from '../files.ts';
import type { GoldenRoot, Kind } from '../golden-case.ts';
import { numbers, list, record, text } from '../json.ts';

const FILE = /^tokenizer-(.+)\.json$/;
/** The tokenizer of Kiln's own models; every model folder carries it. */
const POCKET = 'pocket';

export const tokenizers: Kind = {
  matches: (entry) => FILE.test(entry),
  async cases(root, entry) {
    const name = FILE.exec(entry)?.[1] ?? entry;
    const folder = await tokenizerFolder(root, name);
    if (folder === undefined) return [{ name: entry, skip: `there is no vocabulary "${name}"` }];
    const tokenizer = await ClipTokenizer.fromFolder(folder);
    const golden = record(await readJson(join(root.dir, entry)));
    return list(golden['cases']).map((item, i) => {
      const { prompt, input_ids: ids } = record(item);
      return {
        name: `tokenizer-${name}/${i}`,
        tolerance: 0,
        measure: () => Promise.resolve({ error: maxAbsError(tokenizer.encode(text(prompt)), numbers(ids)) }),
      };
    });
  },
};

async function tokenizerFolder(root: GoldenRoot, name: string): Promise<string | undefined> {
  const own = [join(root.dir, 'clip-tokenizer', name)];
  if (name === POCKET) {
    for (const folder of root.modelFolders) {
      for (const model of await entriesOf(folder)) own.push(join(folder, model, 'tokenizer'));
    }
  }
  return firstExisting(own);
}
