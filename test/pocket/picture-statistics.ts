/** What can be said of a picture of toy scenes by counting pixels: which colours stand in it, where, and how far off it is. */
import type { GreyImage, RawImage } from '../../workers/render/image/raw-image.ts';

/** Centres of the hues, in degrees, as the scenes are lit by day. */
const HUES = { red: 353, orange: 24, yellow: 49, green: 130, cyan: 184, blue: 229, purple: 272 } as const;

export type Colour = keyof typeof HUES;

const COLOURS = ['red', 'orange', 'yellow', 'green', 'cyan', 'blue', 'purple'] as const satisfies Colour[];

/** Of HSV. Skies by day have up to 0.42, floors less than 0.1, and things 0.6 and more. */
const LEAST_SATURATION = 0.55;

/** Which pixels of an image count, by index. */
export type Region = (pixel: number) => boolean;

export const everywhere: Region = () => true;

/** The mask's white, grown by this many pixels to each side. */
export function within({ width, height, grey }: GreyImage, reach = 0): Region {
  const near = Uint8Array.from(grey, (_, pixel) => {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    for (let row = Math.max(y - reach, 0); row <= Math.min(y + reach, height - 1); row++) {
      const start = row * width;
      const span = grey.subarray(start + Math.max(x - reach, 0), start + Math.min(x + reach, width - 1) + 1);
      if (span.includes(255)) return 1;
    }
    return 0;
  });
  return (pixel) => near[pixel] === 1;
}

export function outside(region: Region): Region {
  return (pixel) => !region(pixel);
}

/** The colour of each pixel of a thing; null on sky, floor and shadow, and where everything is dark. */
export function coloursOf({ rgb, width, height }: RawImage): (Colour | null)[] {
  return Array.from({ length: width * height }, (_, pixel) =>
    colourOf(rgb.subarray(3 * pixel, 3 * pixel + 3)),
  );
}

/** How many pixels of the region have this colour. */
export function count(image: RawImage, colour: Colour, region: Region = everywhere): number {
  return coloursOf(image).filter((found, pixel) => found === colour && region(pixel)).length;
}

/** The colour that most of what is coloured has; null when nothing is. */
export function dominantColour(image: RawImage, region: Region = everywhere): Colour | null {
  const [best] = COLOURS.map((colour) => ({ colour, pixels: count(image, colour, region) })).toSorted(
    (a, b) => b.pixels - a.pixels,
  );
  return best === undefined || best.pixels === 0 ? null : best.colour;
}

/** Intersection over union of what is coloured in the one and in the other, 0 to 1: 1 for equal silhouettes. */
export function silhouetteOverlap(a: RawImage, b: RawImage): number {
  const [inA, inB] = [coloursOf(a), coloursOf(b)];
  const both = inA.filter((colour, pixel) => colour !== null && inB[pixel] !== null).length;
  const either = inA.filter((colour, pixel) => colour !== null || inB[pixel] !== null).length;
  return either === 0 ? 1 : both / either;
}

/** Mean absolute difference of channels, of 255. */
export function meanDifference(a: RawImage, b: RawImage, region: Region = everywhere): number {
  let sum = 0;
  let channels = 0;
  for (let i = 0; i < a.rgb.length; i++) {
    if (!region(Math.floor(i / 3))) continue;
    sum += Math.abs(a.rgb[i]! - b.rgb[i]!);
    channels++;
  }
  return sum / channels;
}

/** Mean of all channels, of 255. */
export function brightness({ rgb }: RawImage): number {
  return rgb.reduce((sum, value) => sum + value, 0) / rgb.length;
}

function colourOf(pixel: Uint8Array): Colour | null {
  const [red = 0, green = 0, blue = 0] = pixel;
  const value = Math.max(red, green, blue);
  const chroma = value - Math.min(red, green, blue);
  if (value < 40 || chroma / value < LEAST_SATURATION) return null;
  const hue = 60 * hueSector([red, green, blue], value, chroma);
  return nearest(hue);
}

/** Hue in sixths of the circle, 0 to 6. */
function hueSector(
  [red, green, blue]: readonly [number, number, number],
  value: number,
  chroma: number,
): number {
  if (value === red) return (6 + (green - blue) / chroma) % 6;
  return value === green ? 2 + (blue - red) / chroma : 4 + (red - green) / chroma;
}

function nearest(hue: number): Colour {
  const distance = (colour: Colour): number => {
    const apart = Math.abs(hue - HUES[colour]);
    return Math.min(apart, 360 - apart);
  };
  return COLOURS.reduce((best, colour) => (distance(colour) < distance(best) ? colour : best));
}
