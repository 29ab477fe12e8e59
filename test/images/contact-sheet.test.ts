import sharp from 'sharp';
import { expect, test } from 'vitest';
import { contactSheet } from '../../src/images/sheet/contact-sheet.ts';
import { textPath, textWidth } from '../../src/images/sheet/stroke-font.ts';

const picture = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#205080' } })
    .png()
    .toBuffer();

test('the sheet holds every picture and its caption, whatever the sizes', async () => {
  const image = await picture(128, 128);
  const tall = await picture(128, 192);
  const cells = [image, tall, image, image, image].map((each, i) => ({
    image: each,
    title: `picture ${i}`,
    note: 'note',
  }));
  const sheet = sharp(await contactSheet(cells));
  const { width, height } = await sheet.metadata();
  // Four columns, so five pictures make two rows.
  expect([width, height]).toEqual([20 + 4 * 276, 20 + 2 * 356]);
  const { data: pixels, info } = await sheet.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const brightest = (left: number, top: number): number => {
    let found = 0;
    for (let y = top; y < top + 60; y += 1) {
      for (let x = left; x < left + 200; x += 1)
        found = Math.max(found, pixels[(y * info.width + x) * info.channels]!);
    }
    return found;
  };
  expect(brightest(20, 276)).toBeGreaterThan(180);
  expect(brightest(20, 632)).toBeGreaterThan(180);
  expect(brightest(296, 632)).toBeLessThan(60);
});

test('text is drawn from strokes alone, so that a machine without fonts draws it too', () => {
  const svg = textPath('seed 7', { x: 0, y: 0, height: 8, color: '#fff' });
  expect(svg).not.toContain('<text');
  expect(svg.match(/<path/g)).toHaveLength(5);
});

test('a character without a glyph takes the room of a space', () => {
  expect(textWidth('a\u{1f3fa}b', 8)).toBeCloseTo(textWidth('a b', 8));
});
