/** Pulls through broken connections, broken runs and refusals, over real HTTP. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findModels } from '../../workers/render/onnx/model-folder.ts';
import { expectPublished, publish, TEXT, TOKEN, UNET, untilThere } from '../support/pulls.ts';

describe('over a bad connection', () => {
  test('only the bytes that did not come are asked for again', async () => {
    const { hub, told, pull } = await publish();
    hub.cuts.set(UNET, 5_000);
    await pull();
    const ranges = hub.rangesOf(UNET);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1)).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
    expect(told.join('\n')).toMatch(/trying again in 1 s/);
  });

  test('a server without ranges sends it all once more', async () => {
    const { hub, pull } = await publish();
    hub.knowsRanges = false;
    hub.cuts.set(UNET, 5_000);
    const { path } = await pull();
    await expectPublished(hub, UNET, path);
    expect(hub.rangesOf(UNET)).toHaveLength(2);
  });

  test('a busy hub is asked again, and given up after six refusals', async () => {
    const { hub, pull } = await publish();
    hub.refusals.push({ status: 503 }, { status: 429, headers: { 'retry-after': '0' } });
    await pull();
    hub.refusals.push(...Array(6).fill({ status: 502 }));
    await expect(pull({ name: 'again' })).rejects.toThrow(/answers 502 \(6 attempts in a row\)/);
  });

  test('a pull that was stopped goes on from its bytes, also when the branch has moved', async () => {
    const { hub, dir, pull } = await publish();
    const stop = new AbortController();
    hub.stalls.set(UNET, { after: 5_000, reached: () => undefined });
    const stopped = pull({}, stop.signal);
    await untilThere(join(dir, '.pull-tiny', 'model', 'unet'), /\.part$/, 5_000);
    stop.abort();
    await expect(stopped).rejects.toThrow('aborted');
    expect(await readdir(dir)).toEqual(['.pull-tiny']);
    expect(await findModels([dir])).toEqual([]);

    hub.stalls.clear();
    hub.publish('tokenizer/special_tokens_map.json', '{}');
    const before = hub.rangesOf(TEXT).length;
    const { path } = await pull();
    expect(hub.rangesOf(UNET).at(-1)).toBe('bytes=5000-');
    expect(hub.rangesOf(TEXT)).toHaveLength(before);
    expect(await readFile(join(path, 'tokenizer/special_tokens_map.json'), 'utf8')).toBe('{}');
    expect(await readdir(dir)).toEqual(['tiny']);
  });

  test('damaged bytes of an earlier run are found by their checksum and fetched again', async () => {
    const { hub, dir, told, pull } = await publish();
    hub.missing.add(UNET);
    await expect(pull()).rejects.toThrow(UNET);
    const unet = join(dir, '.pull-tiny', 'model', 'unet');
    const [partial] = (await readdir(unet)).filter((name) => name.endsWith('.part'));
    await writeFile(join(unet, String(partial)), Buffer.alloc(5_000));
    await writeFile(join(dir, '.pull-tiny', 'model', TEXT), Buffer.alloc(hub.contentOf(TEXT).length));
    hub.missing.clear();
    const { path } = await pull();
    await expectPublished(hub, UNET, path);
    await expectPublished(hub, TEXT, path);
    expect(told.join('\n')).toMatch(/what an earlier run left is damaged/);
  });
});

describe('the hub', () => {
  test('gets the token, the storage it sends us to does not', async () => {
    const { hub, told, pull } = await publish();
    hub.token = TOKEN;
    const { path } = await pull({ token: TOKEN });
    const tokens = (server: string): Set<string | undefined> =>
      new Set(hub.seen.filter((seen) => seen.server === server).map(({ authorization }) => authorization));
    expect(tokens('hub')).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(tokens('storage')).toEqual(new Set([undefined]));
    expect(told.join('\n') + (await readFile(join(path, 'kiln-source.json'), 'utf8'))).not.toContain(TOKEN);
  });

  test.each([
    [401, 'GatedRepo', null, /is gated: accept its terms at .*tests\/tiny, and set HF_TOKEN/],
    [403, 'GatedRepo', TOKEN, /the account of HF_TOKEN may not read tests\/tiny: accept its terms/],
    [401, '', TOKEN, /does not accept the token in HF_TOKEN/],
    [
      401,
      'RepoNotFound',
      null,
      /has no public model tests\/tiny: check the id; for a private or gated one set HF_TOKEN/,
    ],
    [404, 'RepoNotFound', TOKEN, /has no model tests\/tiny that the account of HF_TOKEN may read/],
  ])('that answers %i %s is not asked again, and the advice is %s', async (status, code, token, advice) => {
    const { hub, dir, pull } = await publish();
    hub.refusals.push({
      status,
      headers: { 'x-error-code': code, 'x-error-message': 'Access to it is\x9b2J restricted' },
    });
    const error = await pull({ token }).catch((reason: unknown) => String(reason));
    expect(error).toMatch(advice);
    expect(error).toMatch(/\nThe hub says: Access to it is 2J restricted$/);
    expect(error).not.toContain(TOKEN);
    expect(hub.seen).toHaveLength(1);
    expect(await readdir(dir)).toEqual([]);
  });

  test('that does not know the revision is quoted', async () => {
    const { pull } = await publish();
    await expect(pull({ revision: 'fp16' })).rejects.toThrow(/tests\/tiny has no such revision/);
  });
});
