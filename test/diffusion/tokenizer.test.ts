import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClipTokenizer } from '../../workers/render/diffusion/tokenizer.ts';
import golden from '../fixtures/golden/tokenizer-pocket.json' with { type: 'json' };

const POCKET = new URL('../../models/pocket-base/tokenizer', import.meta.url).pathname;

describe('ClipTokenizer', () => {
  it.each(golden.cases)('reads $prompt as transformers does', async ({ prompt, input_ids }) => {
    const tokenizer = await ClipTokenizer.fromFolder(POCKET);
    expect([...tokenizer.encode(prompt)]).toEqual(input_ids);
  });

  it('gives 77 ids that end in EOS for a prompt that is too long', async () => {
    const tokenizer = await ClipTokenizer.fromFolder(POCKET);
    const ids = tokenizer.encode('red '.repeat(500));
    const [, eos] = tokenizer.encode('');
    expect(ids).toHaveLength(77);
    expect(ids[76]).toBe(eos);
    expect(ids[75]).not.toBe(eos);
  });

  it('lowercases a capital sigma at the end of a word to a plain one', async () => {
    const tokenizer = await ClipTokenizer.fromFolder(POCKET);
    expect(tokenizer.encode('ΟΔΟΣ')).toEqual(tokenizer.encode('οδοσ'));
  });

  it('gives a word the same ids after thousands of others have passed through its cache', async () => {
    const tokenizer = await ClipTokenizer.fromFolder(POCKET);
    const before = tokenizer.encode('sunset');
    for (let i = 0; i < 20_000; i++)
      tokenizer.encode(i.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[+digit]!));
    expect(tokenizer.encode('sunset')).toEqual(before);
  });
});

describe('a tokenizer folder', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-tokenizer-'));
    await cp(POCKET, dir, { recursive: true });
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('pads with the token of special_tokens_map.json, which then stands for itself in prompts', async () => {
    await writeFile(join(dir, 'special_tokens_map.json'), JSON.stringify({ pad_token: { content: '!' } }));
    const ids = [...(await ClipTokenizer.fromFolder(dir)).encode('a cat!!')];
    const plain = [...(await ClipTokenizer.fromFolder(POCKET)).encode('a cat')];
    const words = plain.slice(0, plain.indexOf(plain.at(-1)!));
    expect(ids).toEqual([
      ...words,
      0,
      0,
      plain.at(-1),
      ...Array.from({ length: 77 - words.length - 3 }, () => 0),
    ]);
  });

  it('does without the two special-token files', async () => {
    await rm(join(dir, 'special_tokens_map.json'));
    await rm(join(dir, 'tokenizer_config.json'));
    const pocket = await ClipTokenizer.fromFolder(POCKET);
    expect((await ClipTokenizer.fromFolder(dir)).encode('a cat')).toEqual(pocket.encode('a cat'));
  });

  it.each([
    ['vocab.json', '[]', /vocab\.json must hold a JSON object/],
    ['vocab.json', '{"a": -1}', /gives "a" the id -1/],
    ['merges.txt', 'a b c', /"a b c"; a line is two tokens/],
    ['special_tokens_map.json', '{', /special_tokens_map\.json is not JSON/],
  ])('is refused when its %s is %s', async (file, content, message) => {
    await writeFile(join(dir, file), content);
    await expect(ClipTokenizer.fromFolder(dir)).rejects.toThrow(message);
  });

  it('is refused when it names a token that the vocabulary lacks', async () => {
    await writeFile(join(dir, 'special_tokens_map.json'), '{"pad_token": "<pad>"}');
    const refusal = ClipTokenizer.fromFolder(dir);
    await expect(refusal).rejects.toThrow(/contradicts itself/);
    await expect(refusal).rejects.toHaveProperty('cause.message', expect.stringContaining('"<pad>"'));
  });

  it('is refused with the path of a missing file', async () => {
    await rm(join(dir, 'merges.txt'));
    await expect(ClipTokenizer.fromFolder(dir)).rejects.toThrow(/merges\.txt/);
  });
});
