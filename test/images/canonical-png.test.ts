import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { canonicalPng } from '../../src/images/decoder/canonical-png.ts';
import { pngSize, PNG_SIZE_BYTES } from '../../src/images/png-chunks.ts';
import { chunk, grey16Rows, picture, pixels, png } from './files.ts';

async function raw(file: Uint8Array): Promise<{ data: Buffer; channels: number }> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return { data, channels: info.channels };
}

async function canonicalPixels(file: Uint8Array): Promise<{ data: Buffer; channels: number }> {
  return raw((await canonicalPng(file)).png);
}

describe('the canonical PNG', () => {
  it.each([3, 4] as const)('has the pixels of a PNG with %i channels, alpha and all', async (channels) => {
    const canonical = await canonicalPixels(await picture(64, channels).png().toBuffer());
    expect(canonical).toEqual({ data: pixels(64, channels), channels });
  });

  it('has the pixels that a decoder finds in a JPEG and a WebP', async () => {
    for (const file of [await picture().jpeg().toBuffer(), await picture().webp().toBuffer()]) {
      expect(await canonicalPixels(file)).toEqual(await raw(file));
    }
  });

  it('has three channels also of a grey picture and of a palette', async () => {
    const grey = await canonicalPixels(await picture(64, 1).toColourspace('b-w').png().toBuffer());
    expect(grey.channels).toBe(3);
    expect([...grey.data.subarray(0, 6)]).toEqual([0, 0, 0, 7, 7, 7]);
    const palette = await picture().png({ palette: true, colours: 8 }).toBuffer();
    expect(await canonicalPixels(palette)).toEqual(await raw(palette));
  });

  it('keeps each of the 65,536 levels of a 16-bit depth map', async () => {
    const values = Uint16Array.from({ length: 256 * 256 }, (_, i) => i);
    const rows = grey16Rows(256, values);
    const { png: canonical } = await canonicalPng(
      png({ width: 256, height: 256, depth: 16, colour: 0, rows }),
    );
    const back = await sharp(canonical).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer();
    expect(new Uint16Array(back.buffer, back.byteOffset, values.length)).toEqual(values);
  });

  it('has 8 bits when a picture in colour has 16', async () => {
    const file = await picture().toColourspace('rgb16').png().toBuffer();
    expect((await sharp((await canonicalPng(file)).png).metadata()).depth).toBe('uchar');
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('is turned as EXIF orientation %i says', async (orientation) => {
    const file = await picture().resize(64, 32).withMetadata({ orientation }).png().toBuffer();
    const canonical = await canonicalPng(file);
    const sides = orientation < 5 ? [64, 32] : [32, 64];
    expect([canonical.width, canonical.height]).toEqual(sides);
    expect(await raw(canonical.png)).toEqual(await raw(await sharp(file).autoOrient().png().toBuffer()));
  });

  it.each([8, 16])('is in sRGB, whatever the profile of a picture of %i bit', async (bits) => {
    const red = sharp({ create: { width: 32, height: 32, channels: 3, background: '#c83c28' } });
    const wide = await (bits === 16 ? red.toColourspace('rgb16') : red).withIccProfile('p3').png().toBuffer();
    expect((await sharp(wide).metadata()).hasProfile).toBe(true);
    const { data } = await canonicalPixels(wide);
    for (const [i, wanted] of [200, 60, 40].entries()) {
      expect(Math.abs((data[i] ?? 0) - wanted), [...data.subarray(0, 3)].join()).toBeLessThanOrEqual(2);
    }
  });

  it('holds pixels only, so the same picture is the same bytes whatever was written beside it', async () => {
    const plain = await picture().png().toBuffer();
    const dressed = await picture()
      .withMetadata({ density: 300, exif: { IFD0: { Copyright: 'somebody' } } })
      .png({ compressionLevel: 9, adaptiveFiltering: true })
      .toBuffer();
    const canonical = await canonicalPng(plain);
    expect((await canonicalPng(dressed)).png).toEqual(canonical.png);
    expect((await canonicalPng(canonical.png)).png).toEqual(canonical.png);
    const types = [
      ...Buffer.from(canonical.png)
        .toString('latin1')
        .matchAll(/IHDR|IDAT|IEND|pHYs|eXIf|tEXt/g),
    ];
    expect(new Set(types.map(String))).toEqual(new Set(['IHDR', 'IDAT', 'IEND']));
  });

  it('tells its size in its first bytes', async () => {
    const { png: canonical } = await canonicalPng(await picture().resize(48, 80).jpeg().toBuffer());
    expect(pngSize(canonical.subarray(0, PNG_SIZE_BYTES))).toEqual({ width: 48, height: 80 });
  });

  it('is made of a PNG with chunks that nobody knows, too', async () => {
    const extra = [chunk('zzZz', Buffer.from('?')), chunk('tIME', Buffer.from([7, 210, 1, 1, 1, 1, 1]))];
    const { width } = await canonicalPng(png({ width: 32, height: 32, extra }));
    expect(width).toBe(32);
  });
});
