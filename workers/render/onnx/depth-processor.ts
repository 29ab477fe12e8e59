/**
 * How an image is made ready for the depth estimator: feature_extractor/preprocessor_config.json. Its class was renamed
 * more than once (DPTFeatureExtractor, DPTImageProcessor, ...), and the default of `resample` changed, so what counts
 * is what the file says.
 */
import type { DepthEstimator } from '../diffusion/loaded-model.ts';
import { ModelError } from './errors.ts';

export const DEPTH_PROCESSOR_FILE = 'preprocessor_config.json';

export type DepthProcessor = Omit<DepthEstimator, 'estimate'>;

/** Pillow's numbers. */
const FILTERS: ReadonlyMap<unknown, DepthProcessor['filter']> = new Map([
  [0, 'nearest'],
  [1, 'lanczos'],
  [2, 'bilinear'],
  [3, 'bicubic'],
]);
const RGB = 3;
const COLOURS = `must be a list of ${RGB} numbers`;
/** 8-bit values become 0..1. Files state the factor in decimal. */
const RESCALE = 1 / 255;
const RESCALE_TOLERANCE = 1e-9;
const DEFAULTS = {
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  resample: 3,
  rescale_factor: RESCALE,
  size: 384,
};

/** Steps that Kiln always or never takes. */
const FIXED: Readonly<Record<string, unknown>> = {
  do_normalize: true,
  do_pad: false,
  do_rescale: true,
  do_resize: true,
  ensure_multiple_of: 1,
  keep_aspect_ratio: false,
};

/**
 * Defaults are those of transformers' DPTImageProcessor today.
 * @param where the file, named in every error
 * @throws ModelError naming the key, its value and what it may be
 */
export function parseDepthProcessor(json: unknown, where: string): DepthProcessor {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ModelError(`${where}: must be a JSON object`);
  const file: ProcessorFile = new Map(Object.entries({ ...DEFAULTS, ...json }));
  const fail: Fail = (key, problem) => {
    throw new ModelError(`${where}: "${key}": ${JSON.stringify(file.get(key))} ${problem}`);
  };
  for (const [key, only] of Object.entries(FIXED))
    if ((file.get(key) ?? only) !== only) fail(key, `is not supported, only ${JSON.stringify(only)}`);
  const rescale = Number(file.get('rescale_factor'));
  if (!(Math.abs(rescale - RESCALE) < RESCALE_TOLERANCE)) fail('rescale_factor', 'must be 1/255');
  const filter = FILTERS.get(file.get('resample'));
  const size = parseSize(file.get('size'));
  return {
    ...(size ?? fail('size', 'must be a side in pixels, or "height" and "width"')),
    filter: filter ?? fail('resample', 'must be 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic)'),
    mean: parseColours(file.get('image_mean')) ?? fail('image_mean', COLOURS),
    std: parseDivisors(file.get('image_std')) ?? fail('image_std', `${COLOURS}, none of them 0`),
  };
}

type ProcessorFile = ReadonlyMap<string, unknown>;
type Fail = (key: string, problem: string) => never;

function parseColours(value: unknown): readonly number[] | undefined {
  return isNumbers(value) && value.length === RGB ? value : undefined;
}

function parseDivisors(value: unknown): readonly number[] | undefined {
  const numbers = parseColours(value);
  return numbers?.includes(0) === true ? undefined : numbers;
}

function parseSize(size: unknown): Pick<DepthProcessor, 'width' | 'height'> | undefined {
  if (isSide(size)) return { width: size, height: size };
  if (typeof size !== 'object' || size === null || !('width' in size && 'height' in size)) return undefined;
  const { width, height } = size;
  return isSide(width) && isSide(height) ? { width, height } : undefined;
}

function isSide(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isFinite(item));
}
