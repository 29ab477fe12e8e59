/** Digests of what Pillow and diffusers make of the patterns. */
import { readFile } from 'node:fs/promises';
import type { Box, Size } from '../../workers/render/image/raw-image.ts';
import type { ResizeFilter } from '../../workers/render/image/resample-weights.ts';
import { list, number, numbers, record, text, type Json } from '../golden/json.ts';

const file = new URL('../fixtures/images/pillow.json', import.meta.url);
const vectors = record(JSON.parse(await readFile(file, 'utf8')));

const FILTERS: readonly ResizeFilter[] = ['bilinear', 'bicubic', 'lanczos'];

function cases(name: string): Json[] {
  return list(vectors[name]).map(record);
}

function sizeOf(value: unknown): Size {
  const [width = 0, height = 0] = numbers(value);
  return { width, height };
}

function boxOf(value: unknown): Box {
  const [left = 0, top = 0, width = 0, height = 0] = numbers(value);
  return { left, top, width, height };
}

export const RESIZES = cases('resize').map((entry) => {
  const [from, to, kind] = [sizeOf(entry['from']), sizeOf(entry['to']), text(entry['kind'])];
  const filter = FILTERS.find((known) => known === entry['filter']);
  if (filter === undefined) throw new Error(`there is no filter ${text(entry['filter'])}`);
  const title = `${kind} of ${from.width} x ${from.height} to ${to.width} x ${to.height}, ${filter}`;
  return { title, kind, filter, from, to, seed: number(entry['seed']), sha256: text(entry['sha256']) };
});

export const FILLS = cases('fill').map((entry) => {
  const [from, to] = [sizeOf(entry['from']), sizeOf(entry['to'])];
  const title = `${from.width} x ${from.height} in ${to.width} x ${to.height}`;
  return { title, from, to, seed: number(entry['seed']), rgb: text(entry['rgb']), grey: text(entry['grey']) };
});

export const OVERLAYS = cases('overlay').map((entry) => {
  const [size, working, padding] = [sizeOf(entry['size']), sizeOf(entry['working']), entry['padding']];
  const slope = number(entry['slope']);
  const region = padding === null ? 'the whole' : `the region with ${number(padding)} pixels around it`;
  return {
    title: `${region} of ${size.width} x ${size.height}, mask ${numbers(entry['mask']).join(' ')} slope ${slope}`,
    size,
    working,
    slope,
    box: boxOf(entry['mask']),
    seed: number(entry['seed']),
    padding: padding === null ? null : number(padding),
    crop: entry['crop'] === null ? null : boxOf(entry['crop']),
    sha256: text(entry['sha256']),
  };
});
