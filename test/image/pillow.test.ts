/** Bit for bit what Pillow and diffusers make of the same pictures. */
import { describe, expect, it } from 'vitest';
import { cropRegion } from '../../workers/render/image/crop-region.ts';
import { applyOverlay } from '../../workers/render/image/overlay.ts';
import { resizeFill } from '../../workers/render/image/resize-to-fit.ts';
import { resize } from '../../workers/render/image/resize.ts';
import { digest, noisyGrey, noisyRgb, softMask } from './patterns.ts';
import { FILLS, OVERLAYS, RESIZES } from './pillow-vectors.ts';

describe('a resize is that of Pillow', () => {
  it.each(RESIZES)('$title', ({ kind, filter, from, to, seed, sha256 }) => {
    const bytes =
      kind === 'grey'
        ? resize(noisyGrey(seed, from), to, filter).grey
        : resize(noisyRgb(seed, from), to, filter).rgb;
    expect(digest(bytes)).toBe(sha256);
  });
});

describe('a picture of other proportions is filled up as in diffusers', () => {
  it.each(FILLS)('$title', ({ from, to, seed, rgb, grey }) => {
    expect(digest(resizeFill(noisyRgb(seed, from), to).rgb)).toBe(rgb);
    expect(digest(resizeFill(noisyGrey(seed, from), to).grey)).toBe(grey);
  });
});

describe('an inpainted part is cropped and overlaid as in diffusers', () => {
  it.each(OVERLAYS)('$title', ({ size, working, slope, box, seed, padding, crop, sha256 }) => {
    const mask = slope === 0 ? noisyGrey(900 + seed, size) : softMask(size, box, slope);
    const region = padding === null ? null : cropRegion(mask, working, padding);
    expect(region).toEqual(crop);
    const rendered = noisyRgb(600 + seed, region === null ? size : working);
    const overlaid = applyOverlay({ mask, original: noisyRgb(300 + seed, size), rendered, box: region });
    expect(digest(overlaid.rgb)).toBe(sha256);
  });
});
