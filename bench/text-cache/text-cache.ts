/**
 * What keeping text rows saves: loads of prompts looked up in an engine's cache and in one that keeps nothing, on the
 * pocket model's text encoder. For Stable Diffusion 2 the rows are ten times as large, so fewer fit and the hits are
 * counted anew; what each saves is one run of its text encoder at full size, random weights, 1.4 GB in the temporary
 * folder. About two minutes on two cores.
 */
import { join } from 'node:path';
import type { Config } from '../../src/config.ts';
import type { LoadedModel } from '../../workers/render/diffusion/loaded-model.ts';
import { loadModel } from '../../workers/render/onnx/load-model.ts';
import type { SessionOptions } from '../../workers/render/onnx/session.ts';
import { loadNetwork, writeNetwork } from '../architectures/measure-network.ts';
import { fullSizeNetwork, TEXT_ENCODER_NAME } from '../architectures/networks.ts';
import { TEXT_CACHE_BYTES } from '../engine/bare-engine.ts';
import type { BenchResult, Figure } from '../report.ts';
import { median } from '../stats.ts';
import { inWeightsFolder } from '../weights-folder.ts';
import { replay } from './replay.ts';
import { bulk, catalogue, type ImageTexts } from './text-loads.ts';

const NEEDED_BYTES = 1.6e9;
const ENCODINGS = 5;
/** Positions times width. */
const SD2_ROW_VALUES = 77 * 1024;
const NEGATIVE = 'night';

const LOADS: ReadonlyMap<string, readonly ImageTexts[]> = new Map([
  ['bulk, 1000 prompts of 4 images', bulk({ prompts: 1_000, imagesEach: 4, negativePrompt: NEGATIVE })],
  [
    'catalogue, 4000 images of 500 prompts',
    catalogue({ seed: 1, prompts: 500, images: 4_000, negativePrompt: NEGATIVE }),
  ],
  ['1000 prompts of 1 image', bulk({ prompts: 1_000, imagesEach: 1, negativePrompt: '' })],
]);

export async function textCacheBench(
  { modelDirs, defaultModel, cpuProfile: profile, threads }: Config,
  loads = LOADS,
): Promise<BenchResult> {
  const options: SessionOptions = { device: { kind: 'cpu' }, profile, threads };
  const sd2Seconds = await measureEncoding(options);
  const model = await loadModel(join(modelDirs[0] ?? '', defaultModel), options);
  try {
    const figures: Figure[] = [];
    for (const [name, load] of loads) figures.push(...(await loadFigures(model, { name, load, sd2Seconds })));
    return {
      bench: 'text-cache',
      about: `a cache of ${TEXT_CACHE_BYTES / 2 ** 20} MiB against none, two texts per image; ${defaultModel} measured, SD 2 from its hits and one encoding`,
      figures: [{ name: 'SD 2: one encoding', value: sd2Seconds, unit: 's' }, ...figures],
    };
  } finally {
    await model.release();
  }
}

function measureEncoding(options: SessionOptions): Promise<number> {
  return inWeightsFolder(NEEDED_BYTES, async (folder) => {
    const network = fullSizeNetwork(TEXT_ENCODER_NAME);
    const session = await loadNetwork(network, await writeNetwork(network, folder), options);
    await network.warmUp.run(session, false);
    const seconds: number[] = [];
    while (seconds.length < ENCODINGS) {
      const startedAt = performance.now();
      await network.warmUp.run(session, false);
      seconds.push((performance.now() - startedAt) / 1_000);
    }
    await session.release();
    return median(seconds);
  });
}

interface NamedLoad {
  readonly name: string;
  readonly load: readonly ImageTexts[];
  readonly sd2Seconds: number;
}

async function loadFigures(model: LoadedModel, { name, load, sd2Seconds }: NamedLoad): Promise<Figure[]> {
  const [kept, fresh] = await replay(model, load, [TEXT_CACHE_BYTES, 0]);
  // Only the hits are asked for: rows of the right size will do.
  const wide = { ...model, encodeText: () => Promise.resolve(new Float32Array(SD2_ROW_VALUES)) };
  const [sd2] = await replay(wide, load, [TEXT_CACHE_BYTES]);
  if (kept === undefined || fresh === undefined || sd2 === undefined) return [];
  return [
    { name: `${name}: hits / look-ups`, value: kept.hits / kept.lookups, unit: 'ratio' },
    { name: `${name}: time for texts, kept / not kept`, value: kept.seconds / fresh.seconds, unit: 'ratio' },
    {
      name: `${name}: saved per image`,
      value: (1_000 * (fresh.seconds - kept.seconds)) / load.length,
      unit: 'ms',
    },
    { name: `${name}: SD 2, hits / look-ups`, value: sd2.hits / sd2.lookups, unit: 'ratio' },
    { name: `${name}: SD 2, saved per image`, value: (sd2.hits * sd2Seconds) / load.length, unit: 's' },
  ];
}
