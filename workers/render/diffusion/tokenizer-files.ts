/** The four files of a published `tokenizer/` folder, read into what the tokenizer needs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface TokenizerFiles {
  /** Token -> id; byte-level tokens, word-final ones end in `</w>`. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Pairs in order of rank: the first is merged first. */
  readonly merges: readonly (readonly [string, string])[];
  readonly specials: Readonly<Record<SpecialToken, string>>;
}

type SpecialToken = 'bos' | 'eos' | 'pad' | 'unk';

/** What CLIPTokenizer assumes where neither file names a token. */
const CLIP_SPECIALS: Readonly<Record<SpecialToken, string>> = {
  bos: '<|startoftext|>',
  eos: '<|endoftext|>',
  pad: '<|endoftext|>',
  unk: '<|endoftext|>',
};

/** Throws with the file's path when a file is missing or malformed; the two special-token files are optional. */
export async function readTokenizerFiles(dir: string): Promise<TokenizerFiles> {
  const [vocabulary, merges, specialTokensMap, tokenizerConfig] = await Promise.all([
    readFile(join(dir, 'vocab.json'), 'utf8'),
    readFile(join(dir, 'merges.txt'), 'utf8'),
    readOptional(join(dir, 'special_tokens_map.json')),
    readOptional(join(dir, 'tokenizer_config.json')),
  ]);
  return {
    vocabulary: parseVocabulary(parseObject(vocabulary, join(dir, 'vocab.json'))),
    merges: parseMerges(merges),
    specials: chooseSpecials(
      parseObject(specialTokensMap, join(dir, 'special_tokens_map.json')),
      parseObject(tokenizerConfig, join(dir, 'tokenizer_config.json')),
    ),
  };
}

async function readOptional(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '{}';
    throw error;
  }
}

function parseObject(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause });
  }
  if (!isObject(value)) throw new Error(`${path} must hold a JSON object`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseVocabulary(json: Readonly<Record<string, unknown>>): ReadonlyMap<string, number> {
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(json)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
      throw new Error(
        `vocab.json gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}; ids are whole numbers`,
      );
    }
    vocabulary.set(token, id);
  }
  return vocabulary;
}

/** One pair per line in order of rank; the first line is a version mark. */
function parseMerges(text: string): (readonly [string, string])[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith('#version'))
    .map((line) => {
      const [left, right, ...rest] = line.split(' ');
      if (left === undefined || right === undefined || rest.length > 0) {
        throw new Error(
          `merges.txt has the line ${JSON.stringify(line)}; a line is two tokens and one space`,
        );
      }
      return [left, right] as const;
    });
}

/**
 * `special_tokens_map.json` wins over `tokenizer_config.json`. In Stable Diffusion 2 they disagree on the padding
 * token, and the model was trained with the map's.
 */
function chooseSpecials(
  map: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Record<SpecialToken, string> {
  const choose = (name: SpecialToken): string =>
    tokenText(map[`${name}_token`]) ?? tokenText(config[`${name}_token`]) ?? CLIP_SPECIALS[name];
  return { bos: choose('bos'), eos: choose('eos'), pad: choose('pad'), unk: choose('unk') };
}

/** A special token is written as a string or as `{"content": "...", ...}`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value['content'] === 'string' ? value['content'] : undefined;
}
