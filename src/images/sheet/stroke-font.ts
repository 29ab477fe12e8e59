/**
 * Text as SVG paths. A machine without fonts (most servers and containers) draws no <text> at all, so captions
 * bring their own letters: strokes on a grid whose x-height is 4, ascenders reach 0, the baseline is 6 and
 * descenders reach 8.
 */

/** [advance without the gap, path] */
type Glyph = readonly [width: number, path: string];

const GAP = 1.6;
const SPACE = 1.8;
const GRID_HEIGHT = 8;
const BOWL = 'M4 4A2 2 0 1 1 0 4A2 2 0 1 1 4 4';

const GLYPHS: Readonly<Record<string, Glyph>> = {
  a: [4, `${BOWL}M4 2V6`],
  b: [4, `${BOWL}M0 0V6`],
  c: [3.5, 'M3.5 2.7A2 2 0 1 0 3.5 5.3'],
  d: [4, `${BOWL}M4 0V6`],
  e: [4, 'M.1 4H4A2 2 0 1 0 3.4 5.4'],
  f: [2.6, 'M2.9 .1A1.4 1.4 0 0 0 1.2 1.5V6M0 2.2H2.6'],
  g: [4, `${BOWL}M4 2V6A2 2 0 0 1 .6 7.3`],
  h: [4, 'M0 0V6M0 4A2 2 0 0 1 4 4V6'],
  i: [0, 'M0 2V6M0 .3V.4'],
  j: [1, 'M1 2V6.6A1.4 1.4 0 0 1 -.4 8M1 .3V.4'],
  k: [3.4, 'M0 0V6M3.2 2L0 4.4M1.2 3.6L3.4 6'],
  l: [0, 'M0 0V6'],
  m: [6.4, 'M0 2V6M0 3.6A1.6 1.6 0 0 1 3.2 3.6V6M3.2 3.6A1.6 1.6 0 0 1 6.4 3.6V6'],
  n: [4, 'M0 2V6M0 4A2 2 0 0 1 4 4V6'],
  o: [4, BOWL],
  p: [4, `${BOWL}M0 2V8`],
  q: [4, `${BOWL}M4 2V8`],
  r: [2.4, 'M0 2V6M0 4A2 2 0 0 1 2.4 2.1'],
  s: [3, 'M2.9 2.7A1.5 1 0 1 0 1.5 4A1.5 1 0 1 1 .1 5.3'],
  t: [2.6, 'M1.2 .6V4.7A1.2 1.2 0 0 0 2.7 5.8M0 2.2H2.6'],
  u: [4, 'M0 2V4A2 2 0 0 0 4 4M4 2V6'],
  v: [3.8, 'M0 2L1.9 6L3.8 2'],
  w: [6, 'M0 2L1.5 6L3 2L4.5 6L6 2'],
  x: [3.6, 'M0 2L3.6 6M3.6 2L0 6'],
  y: [3.8, 'M0 2L1.9 6M3.8 2L1 8'],
  z: [3.4, 'M0 2H3.4L0 6H3.4'],
  '0': [4, 'M4 3A2 3 0 1 1 0 3A2 3 0 1 1 4 3'],
  '1': [2, 'M.2 1.4L2 0V6'],
  '2': [4, 'M.2 1.7A1.9 1.7 0 1 1 3.5 2.9L0 6H4'],
  '3': [3.8, 'M.3 .9A1.8 1.4 0 1 1 1.8 2.8A2 1.6 0 1 1 .1 5'],
  '4': [4, 'M3 6V0L0 4.2H4'],
  '5': [3.8, 'M3.5 0H.6L.3 2.6A2 1.8 0 1 1 .2 5.2'],
  '6': [4, `${BOWL}M3 0L.3 3.1`],
  '7': [3.8, 'M0 0H3.8L1.3 6'],
  '8': [4, 'M3.6 1.5A1.6 1.5 0 1 1 .4 1.5A1.6 1.5 0 1 1 3.6 1.5M4 4.5A2 1.5 0 1 1 0 4.5A2 1.5 0 1 1 4 4.5'],
  '9': [4, 'M4 2A2 2 0 1 1 0 2A2 2 0 1 1 4 2M1 6L3.7 2.9'],
  '-': [2.4, 'M0 4H2.4'],
  '+': [3, 'M0 4H3M1.5 2.5V5.5'],
  _: [4, 'M0 7H4'],
  '.': [0, 'M0 5.9V6'],
  ',': [0.6, 'M.6 5.7L0 7'],
  ':': [0, 'M0 3V3.1M0 5.9V6'],
  '/': [2.6, 'M0 7L2.6 0'],
  "'": [0, 'M0 0V1.4'],
};

/** Width of a line of text, in pixels, at a letter height (ascender to descender) of `height` pixels. */
export function textWidth(text: string, height: number): number {
  return (lineWidth(text) * height) / GRID_HEIGHT;
}

/**
 * SVG for one line, with its top left corner at (x, y). Capitals are drawn small; a character the font lacks
 * becomes a space.
 */
export function textPath(
  text: string,
  place: { x: number; y: number; height: number; color: string },
): string {
  let at = 0;
  const strokes: string[] = [];
  for (const letter of text.toLowerCase()) {
    const glyph = GLYPHS[letter];
    if (glyph !== undefined)
      strokes.push(`<path transform="translate(${at.toFixed(2)} 0)" d="${glyph[1]}"/>`);
    at += advance(letter);
  }
  const scale = place.height / GRID_HEIGHT;
  return (
    `<g transform="translate(${place.x} ${place.y}) scale(${scale})" fill="none" stroke="${place.color}" ` +
    `stroke-width=".75" stroke-linecap="round" stroke-linejoin="round">${strokes.join('')}</g>`
  );
}

function lineWidth(text: string): number {
  const letters = Array.from(text.toLowerCase());
  return Math.max(0, letters.reduce((sum, letter) => sum + advance(letter), 0) - GAP);
}

function advance(letter: string): number {
  return (GLYPHS[letter]?.[0] ?? SPACE) + GAP;
}
