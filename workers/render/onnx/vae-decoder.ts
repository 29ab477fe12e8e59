/** Latents -> pixels, whole or in tiles. */
import type { Feed, Session } from './session.ts';
import { vaeDecoderNorms } from './vae.ts';
import type { VaeConfig } from './vae.ts';
import { decodeInTiles } from './vae-tiles.ts';
import type { Latents, TileDecoder, TileLayout } from './vae-tiles.ts';

/**
 * Up to here a picture is decoded whole, exactly as diffusers does it: every picture of a model with an f8 VAE, and
 * what the upscaler makes of 256x256. A constant, and not what the machine has room for, because the same job must
 * give the same picture on every worker.
 */
const WHOLE_PIXELS = 1024 * 1024;

/** A call then holds 1.5 GB for the published f4 VAE on a CPU, half of what the largest whole picture takes. */
const TILE_PIXELS = 768;
/** Twice the some 16 cells around a pixel that convolutions make it from: a fade sees next to no padding. */
const OVERLAP_CELLS = 32;
const FADE_CELLS = 16;

export interface VaeDecoderOptions {
  /** The most pixels of a picture that is decoded whole. */
  readonly wholePixels?: number;
  readonly layout?: TileLayout;
}

/** Unscaled latents `[latentChannels, h, w]` -> pixels `[imageChannels, h * latentScale, w * latentScale]`. */
export type VaeDecoder = (latents: Latents) => Promise<Float32Array>;

/** @param sessions opens a graph of the VAE, or finds it open; the one for tiles is asked for when it is needed */
export function vaeDecoder(
  sessions: (graph: 'decoder' | 'tileDecoder') => Promise<Session>,
  config: VaeConfig,
  options: VaeDecoderOptions = {},
): VaeDecoder {
  const { wholePixels = WHOLE_PIXELS, layout = layoutFor(config.latentScale) } = options;
  return async (latents) => {
    const pixels = latents.height * latents.width * config.latentScale ** 2;
    if (pixels > wholePixels)
      return decodeInTiles(tileDecoder(await sessions('tileDecoder'), config), latents, layout);
    const session = await sessions('decoder');
    return session.run({ latent_sample: latentFeed(latents, config) });
  };
}

function layoutFor(latentScale: number): TileLayout {
  const side = Math.max(2, Math.round(TILE_PIXELS / latentScale));
  const overlap = Math.min(OVERLAP_CELLS, Math.floor(side / 2));
  return { side, overlap, fade: Math.min(FADE_CELLS, overlap, (side - overlap) / 2) };
}

function tileDecoder(session: Session, config: VaeConfig): TileDecoder {
  const { latentChannels, imageChannels, latentScale, groups } = config;
  const norms = vaeDecoderNorms(config);
  const feeds = (tile: Latents, statistics: Float32Array, ownShare: 0 | 1): Record<string, Feed> => ({
    latent_sample: latentFeed(tile, config),
    statistics: { data: statistics, dims: [norms, 2, groups] },
    own_share: { data: Float32Array.of(ownShare), dims: [] },
  });
  const nothing = new Float32Array(norms * 2 * groups);
  return {
    latentChannels,
    imageChannels,
    latentScale,
    norms,
    groups,
    measure: (tile) => session.run(feeds(tile, nothing, 1), 'measured'),
    decode: (tile, statistics) => session.run(feeds(tile, statistics, 0)),
  };
}

function latentFeed({ data, height, width }: Latents, { latentChannels }: VaeConfig): Feed {
  return { data, dims: [1, latentChannels, height, width] };
}
