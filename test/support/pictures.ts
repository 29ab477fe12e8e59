/** Pictures for tests, as the API stores them: PNG. */
import sharp from 'sharp';

/** Smooth colours that differ from corner to corner; another `phase` is another picture. */
export function colourPng(width: number, height: number, phase = 0): Promise<Uint8Array> {
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < rgb.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    rgb[i] = 128 + 100 * Math.sin(phase + (i % 3) + x / 9) * Math.cos(y / 11);
  }
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** White in the right half, black in the left. */
export function maskPng(width: number, height: number): Promise<Uint8Array> {
  const grey = Uint8Array.from({ length: width * height }, (_, i) => (i % width < width / 2 ? 0 : 255));
  return sharp(grey, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}
