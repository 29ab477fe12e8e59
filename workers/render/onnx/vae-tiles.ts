/**
 * Decodes a large picture in tiles that overlap (docs/decisions/0013). Each tile is decoded with the statistics of the
 * whole picture, so that neighbours agree but for what the decoder's attention, which sees one tile, adds; in the
 * middle of an overlap one tile fades into the next.
 */

/** In latent cells. */
export interface TileLayout {
  /** Side of a tile; along a shorter side of the picture a tile is as long as the picture. */
  readonly side: number;
  /** At least this much of a tile is shared with its neighbour; at most half of it. */
  readonly overlap: number;
  /**
   * Width of the fade: at most `overlap`, and half of the rest, so that no more than two tiles meet along a side. What
   * lies further out saw the padding at the tile's edge.
   */
  readonly fade: number;
}

export interface TileDecoder {
  readonly latentChannels: number;
  readonly imageChannels: number;
  /** Pixels per cell and side. */
  readonly latentScale: number;
  /** Number of group norms, and groups in each. */
  readonly norms: number;
  readonly groups: number;
  /** -> mean and variance of each group, `[norms, 2, groups]`. */
  measure(tile: Latents): Promise<Float32Array>;
  /** -> pixels `[imageChannels, height * latentScale, width * latentScale]`. */
  decode(tile: Latents, statistics: Float32Array): Promise<Float32Array>;
}

export interface Latents {
  /** `[latentChannels, height, width]` */
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** Pixels `[imageChannels, height * latentScale, width * latentScale]`. The same picture always gives the same. */
export async function decodeInTiles(
  decoder: TileDecoder,
  picture: Latents,
  layout: TileLayout,
): Promise<Float32Array> {
  const { height, width } = picture;
  const statistics = await measurePicture(decoder, picture, layout);
  const rows = spansAlong(height, layout);
  const columns = spansAlong(width, layout);
  const { imageChannels, latentScale } = decoder;
  const image = new Float32Array(imageChannels * height * width * latentScale ** 2);
  const canvas: Canvas = { image, channels: imageChannels, width: width * latentScale };
  for (const row of rows.map((span) => inPixels(span, layout.fade, latentScale)))
    for (const column of columns.map((span) => inPixels(span, layout.fade, latentScale))) {
      const tile = cut(decoder.latentChannels, picture, { row: row.span, column: column.span });
      addTile(canvas, await decoder.decode(tile, statistics), { row, column });
    }
  return image;
}

/**
 * The statistics of the whole picture, from tiles that each normalise by their own. Not those of the picture decoded
 * whole, since each norm sees what the norms before it made of the tile; near enough, and the same for all tiles.
 */
async function measurePicture(
  decoder: TileDecoder,
  picture: Latents,
  layout: TileLayout,
): Promise<Float32Array> {
  const { norms, groups } = decoder;
  const mean = new Float64Array(norms * groups);
  const square = new Float64Array(norms * groups);
  let tiles = 0;
  for (const row of spansAlong(picture.height, { ...layout, overlap: 0 }))
    for (const column of spansAlong(picture.width, { ...layout, overlap: 0 })) {
      const tile = cut(decoder.latentChannels, picture, { row, column });
      const measured = await decoder.measure(tile);
      tiles++;
      for (let i = 0; i < mean.length; i++) {
        const at = 2 * i - (i % groups);
        mean[i]! += measured[at]!;
        square[i]! += measured[at + groups]! + measured[at]! ** 2;
      }
    }
  const statistics = new Float32Array(2 * mean.length);
  for (let i = 0; i < mean.length; i++) {
    const at = 2 * i - (i % groups);
    statistics[at] = mean[i]! / tiles;
    statistics[at + groups] = square[i]! / tiles - (mean[i]! / tiles) ** 2;
  }
  return statistics;
}

/** One tile's place along one side, in cells. The edges are where the neighbours end and begin, if there are any. */
interface Span {
  readonly start: number;
  readonly length: number;
  readonly previousEnd: number | undefined;
  readonly nextStart: number | undefined;
}

/** Evenly over `size` cells, as few as the overlap allows. */
function spansAlong(size: number, { side, overlap }: TileLayout): Span[] {
  const length = Math.min(side, size);
  const count = size <= side ? 1 : Math.ceil((size - overlap) / (side - overlap));
  const starts = Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (size - length)) / (count - 1)),
  );
  return starts.map((start, i) => {
    const previous = starts[i - 1];
    return {
      start,
      length,
      previousEnd: previous === undefined ? undefined : previous + length,
      nextStart: starts[i + 1],
    };
  });
}

interface PixelSpan {
  readonly span: Span;
  /** Of its first pixel in the picture. */
  readonly start: number;
  /** Of its pixels: those of all tiles add up to 1 at every pixel of the picture. */
  readonly weights: Float32Array;
}

function inPixels(span: Span, fade: number, scale: number): PixelSpan {
  const { start, length, previousEnd, nextStart } = span;
  /** 0 to 1 across the middle of the cells from `from` to `to`. */
  const ramp = (pixel: number, from: number, to: number): number => {
    const fromMiddle = (start + (pixel + 0.5) / scale - (from + to) / 2) / fade;
    return Math.min(1, Math.max(0, fromMiddle + 0.5));
  };
  const weights = Float32Array.from({ length: length * scale }, (_, pixel) => {
    const rising = previousEnd === undefined ? 1 : ramp(pixel, start, previousEnd);
    const falling = nextStart === undefined ? 1 : 1 - ramp(pixel, nextStart, start + length);
    return rising * falling;
  });
  return { span, start: start * scale, weights };
}

interface Place<T> {
  readonly row: T;
  readonly column: T;
}

function cut(channels: number, { data, height, width }: Latents, { row, column }: Place<Span>): Latents {
  const tile = new Float32Array(channels * row.length * column.length);
  for (let line = 0; line < channels * row.length; line++) {
    const y = Math.floor(line / row.length) * height + row.start + (line % row.length);
    const from = y * width + column.start;
    tile.set(data.subarray(from, from + column.length), line * column.length);
  }
  return { data: tile, height: row.length, width: column.length };
}

interface Canvas {
  /** `[channels, height, width]`, in pixels. */
  readonly image: Float32Array;
  readonly channels: number;
  readonly width: number;
}

function addTile({ image, channels, width }: Canvas, tile: Float32Array, place: Place<PixelSpan>): void {
  const { row, column } = place;
  const [rows, columns] = [row.weights.length, column.weights.length];
  const planeLength = image.length / channels;
  for (let line = 0; line < channels * rows; line++) {
    const rowWeight = row.weights[line % rows]!;
    if (rowWeight === 0) continue;
    const to = Math.floor(line / rows) * planeLength + (row.start + (line % rows)) * width + column.start;
    for (let x = 0; x < columns; x++)
      image[to + x]! += rowWeight * column.weights[x]! * tile[line * columns + x]!;
  }
}
