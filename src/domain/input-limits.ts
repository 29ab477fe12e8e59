/** Bounds on images that callers send, in whatever way they come. */
const MiB = 1024 * 1024;

export const INPUT_LIMITS = {
  /** Of the file as sent, before it is decoded. */
  fileBytes: 32 * MiB,
  sideMin: 16,
  sideMax: 8_192,
  /** Longer side to shorter one: nothing beyond is a picture, and resizing it costs most for least. */
  aspectMax: 8,
  /** 4096 x 4096: 67 MB once decoded. */
  pixelsMax: 16_777_216,
} as const;

export interface SizeFault {
  readonly message: string;
  readonly limit: number;
}

/** What is wrong with an image of so many pixels; undefined when it can be taken. */
export function inputSizeFault(width: number, height: number): SizeFault | undefined {
  const { sideMin, sideMax, aspectMax, pixelsMax } = INPUT_LIMITS;
  const [short, long] = width < height ? [width, height] : [height, width];
  const size = `is an image of ${width} x ${height} pixels`;
  if (short < sideMin) return { message: `${size}: a side has at least ${sideMin}`, limit: sideMin };
  if (long > sideMax) return { message: `${size}: a side has at most ${sideMax}`, limit: sideMax };
  if (width * height > pixelsMax) {
    return { message: `${size}: all in all at most ${pixelsMax}`, limit: pixelsMax };
  }
  if (long > short * aspectMax) {
    return { message: `${size}: one side is at most ${aspectMax} times the other`, limit: aspectMax };
  }
  return undefined;
}
