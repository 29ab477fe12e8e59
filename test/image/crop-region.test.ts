import { describe, expect, it } from 'vitest';
import { cropRegion, cropTo } from '../../workers/render/image/crop-region.ts';
import { applyOverlay } from '../../workers/render/image/overlay.ts';
import { noisyGrey, noisyRgb, softMask } from './patterns.ts';

const size = { width: 48, height: 40 };
const box = { left: 12, top: 8, width: 16, height: 16 };
const mask = softMask(size, box, 255);
const original = noisyRgb(1, size);

describe('the region of a mask', () => {
  it('is the painted part where that has the proportions asked for', () => {
    expect(cropRegion(mask, { width: 64, height: 64 }, 0)).toEqual(box);
  });

  it('is the whole image where nothing is painted', () => {
    const blank = { ...size, grey: new Uint8Array(48 * 40) };
    expect(cropRegion(blank, { width: 64, height: 64 }, 8)).toEqual({ left: 0, top: 0, ...size });
  });

  it('is cut out of colour and of grey', () => {
    expect(cropTo(mask, box).grey.every((value) => value === 255)).toBe(true);
    const { rgb } = cropTo(original, { left: 47, top: 39, width: 1, height: 1 });
    expect([...rgb]).toEqual([...original.rgb.subarray(-3)]);
  });
});

describe('an overlay', () => {
  const rendered = noisyRgb(2, size);

  it('gives back exactly what the mask leaves out, and the new pixels where it is white', () => {
    const { rgb } = applyOverlay({ mask, original, rendered, box: null });
    for (let i = 0; i < rgb.length; i++) {
      const expected = mask.grey[Math.floor(i / 3)] === 0 ? original : rendered;
      expect(rgb[i]).toBe(expected.rgb[i]);
    }
  });

  it('puts a region of its own size where it was', () => {
    const part = noisyRgb(3, box);
    const { rgb } = applyOverlay({ mask, original, rendered: part, box });
    expect([...cropTo({ ...size, rgb }, box).rgb]).toEqual([...part.rgb]);
  });

  it('refuses parts of other sizes than the original', () => {
    const small = noisyRgb(2, { width: 40, height: 40 });
    const other = noisyGrey(2, { width: 48, height: 41 });
    expect(() => applyOverlay({ mask, original, rendered: small, box: null })).toThrow(
      'The rendered image of an overlay must have the size of the original: it is 40 x 40, not 48 x 40.',
    );
    expect(() => applyOverlay({ mask: other, original, rendered, box: null })).toThrow(RangeError);
  });
});
