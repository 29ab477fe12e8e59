/** A load's texts looked up as the engine does it, for each image both. */
import { TextCache } from '../../workers/render/diffusion/text-cache.ts';
import type { TextEncoding } from '../../workers/render/diffusion/text-cache.ts';
import type { ImageTexts } from './text-loads.ts';

export interface Replay {
  readonly hits: number;
  readonly lookups: number;
  readonly seconds: number;
}

/** Images per turn: the caches take turns, so that whatever else the machine does falls on all of them. */
const TURN = 100;

/** One replay per cache size in bytes. */
export async function replay(
  model: TextEncoding,
  load: readonly ImageTexts[],
  cacheBytes: readonly number[],
): Promise<Replay[]> {
  const runs = cacheBytes.map((bytes) => ({ cache: new TextCache(bytes), seconds: 0 }));
  for (let at = 0; at < load.length; at += TURN) {
    const images = load.slice(at, at + TURN);
    for (const run of runs) run.seconds += await secondsOf(model, images, run.cache);
  }
  return runs.map(({ cache, seconds }) => ({
    hits: cache.hits,
    lookups: cache.hits + cache.misses,
    seconds,
  }));
}

async function secondsOf(
  model: TextEncoding,
  images: readonly ImageTexts[],
  cache: TextCache,
): Promise<number> {
  const startedAt = performance.now();
  for (const { negativePrompt, prompt } of images) {
    await cache.rows(model, negativePrompt, 0);
    await cache.rows(model, prompt, 0);
  }
  return (performance.now() - startedAt) / 1_000;
}
