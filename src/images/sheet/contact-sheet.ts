import sharp from 'sharp';
import { textPath, textWidth } from './stroke-font.ts';

const COLUMNS = 4;
const PICTURE = 256;
const GAP = 20;
const LETTERS = 13;
const SMALL_LETTERS = 11;
const LINE = 19;
/** Lines of a caption: the prompt in up to three, and one for how it was made. */
const PROMPT_LINES = 3;
const CAPTION = LINE * (PROMPT_LINES + 1) + 4;
const BACKGROUND = '#16181d';
const INK = '#e6e4df';
const FAINT = '#8f949e';

export interface SheetCell {
  readonly image: Uint8Array;
  readonly title: string;
  readonly note: string;
}

/** One PNG with every picture, fitted into a square, and its caption below. */
export async function contactSheet(cells: readonly SheetCell[]): Promise<Buffer> {
  return sheetOf(await Promise.all(cells.map(fitted)));
}

/** The same cell with a picture no larger than it is shown. */
export async function fitted({ image, title, note }: SheetCell): Promise<SheetCell> {
  const small = await sharp(image)
    .resize(PICTURE, PICTURE, { fit: 'contain', background: BACKGROUND, kernel: 'cubic' })
    .png()
    .toBuffer();
  return { image: small, title, note };
}

/** Of cells that are fitted. */
export function sheetOf(cells: readonly SheetCell[]): Promise<Buffer> {
  const rows = Math.ceil(cells.length / COLUMNS);
  const width = GAP + COLUMNS * (PICTURE + GAP);
  const height = GAP + rows * (PICTURE + CAPTION + GAP);
  const layers = cells.map(({ image, title, note }, i) => {
    const left = GAP + (i % COLUMNS) * (PICTURE + GAP);
    const top = GAP + Math.floor(i / COLUMNS) * (PICTURE + CAPTION + GAP);
    return [
      { input: Buffer.from(image), left, top },
      { input: Buffer.from(captionSvg(title, note)), left, top: top + PICTURE },
    ];
  });
  return sharp({ create: { width, height, channels: 3, background: BACKGROUND } })
    .composite(layers.flat())
    .png({ compressionLevel: 9, adaptiveFiltering: true })
    .toBuffer();
}

function captionSvg(title: string, note: string): string {
  const lines = wrapped(title);
  const at = (line: number): { x: number; y: number } => ({ x: 1, y: 8 + line * LINE });
  const drawn = [
    ...lines.map((text, i) => textPath(text, { ...at(i), height: LETTERS, color: INK })),
    textPath(note, { ...at(lines.length), height: SMALL_LETTERS, color: FAINT }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${PICTURE}" height="${CAPTION}">${drawn.join('')}</svg>`;
}

/** Broken between words so that each line is as wide as a picture at most; what does not fit is left out. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trimStart();
    if (lines.length > 0 && textWidth(longer, LETTERS) <= PICTURE - 2) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.slice(0, PROMPT_LINES);
}
