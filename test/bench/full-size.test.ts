/** What the benches on full-size networks stand on. */
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { fullSizeNetwork, NETWORK_NAMES } from '../../bench/architectures/networks.ts';
import { inChild } from '../../bench/child.ts';
import { parseCachedShare } from '../../bench/swap/page-cache.ts';
import { inWeightsFolder } from '../../bench/weights-folder.ts';

describe('the folder for weights', () => {
  it('is gone after a bench that fails', async () => {
    let path = '';
    const failing = inWeightsFolder(1, async (folder) => {
      path = join(folder, 'weights');
      await writeFile(path, 'x');
      throw new Error('no more');
    });
    await expect(failing).rejects.toThrow('no more');
    await expect(access(join(path, '..'))).rejects.toThrow('ENOENT');
  });

  it('is not made on a disk without room for them', async () => {
    await expect(inWeightsFolder(1e18, () => Promise.resolve())).rejects.toThrow(
      'free, the bench needs 1000000000.0 GB',
    );
  });
});

describe('a measurement in a child', () => {
  it('that ends without an answer fails with what it had to say', async () => {
    const answer = inChild('swap/swap-child.ts', ['/nowhere', '1'], Type.Number());
    await expect(answer).rejects.toThrow(
      /^bench\/swap\/swap-child.ts ended with 1: .*model_index\.json: there is no such file/s,
    );
  });
});

describe('the share of files in the page cache', () => {
  it('is that of all their bytes', () => {
    expect(parseCachedShare('4096 8192\n   0 24576\n')).toBe(0.125);
  });

  it('is unknown when the table is not understood', () => {
    expect(parseCachedShare('')).toBeNaN();
  });
});

describe('the table of networks', () => {
  it('gives each the operations of its work, more for a larger picture', () => {
    for (const name of NETWORK_NAMES) {
      const { works } = fullSizeNetwork(name);
      const flops = works.map((work) => work.flops);
      expect(flops, name).toEqual(flops.toSorted((a, b) => a - b));
      expect(Math.min(...flops), name).toBeGreaterThan(1e9);
    }
  });

  it('has no network of another name', () => {
    expect(() => fullSizeNetwork('SD 3')).toThrow('there is no network SD 3, only SD 1.5, SD 2.1');
  });
});
