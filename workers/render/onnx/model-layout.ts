/**
 * Where the parts of a model lie: each in the folder of its name, as published, unless the model has a kiln.json
 * that says otherwise. So fine-tunes can share a text encoder or a VAE on disk without links:
 *
 *   { "components": { "vae": "../sd-2-1-base/vae", "text_encoder": "../sd-2-1-base/text_encoder" } }
 *
 * Paths are relative to the model's folder. They may not leave the folders that hold models: a kiln.json may have come
 * with a download, and must not point Kiln at files that nobody offered as a model.
 */
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { exists, readJson } from './component-files.ts';
import { ModelError } from './errors.ts';

export const LAYOUT_FILE = 'kiln.json';

const PART_NAMES = [
  'unet',
  'vae',
  'text_encoder',
  'tokenizer',
  'scheduler',
  'depth_estimator',
  'feature_extractor',
  'low_res_scheduler',
] as const;

export type PartName = (typeof PART_NAMES)[number];

export interface ModelLayout {
  /** Of the model itself, absolute. */
  readonly path: string;
  folderOf(part: PartName): string;
}

/**
 * @param roots folders that hold models, besides the one that holds this model
 * @throws ModelError for a kiln.json that names an unknown key, or a folder that is absent or outside of `roots`
 */
export async function readLayout(modelFolder: string, roots: readonly string[] = []): Promise<ModelLayout> {
  const path = resolve(modelFolder);
  const file = join(path, LAYOUT_FILE);
  const places = new Map<PartName, string>();
  if (await exists(file)) {
    const allowed = [dirname(path), ...roots.map((root) => resolve(root))];
    for (const [part, place] of parsePlaces(await readJson(file), file))
      places.set(part, await checkedFolder({ file, part, place, path, allowed }));
  }
  return { path, folderOf: (part) => places.get(part) ?? join(path, part) };
}

/** Each part in the folder of its name. */
export function publishedLayout(modelFolder: string): ModelLayout {
  const path = resolve(modelFolder);
  return { path, folderOf: (part) => join(path, part) };
}

function parsePlaces(json: unknown, file: string): [PartName, string][] {
  const { components = {}, ...others } = record(json, `${file}: must be a JSON object`);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw new ModelError(`${file}: "${unknown}" is unknown; the only key is "components"`);
  const places = record(components, `${file}: "components" must map names of components to folders`);
  return Object.entries(places).map(([name, place]) => {
    const part = PART_NAMES.find((known) => known === name);
    if (part === undefined)
      throw new ModelError(`${file}: "components.${name}" is unknown; known are ${PART_NAMES.join(', ')}`);
    if (typeof place !== 'string' || place === '')
      throw new ModelError(
        `${file}: "components.${name}": ${JSON.stringify(place)} must be the path of a folder`,
      );
    return [part, place];
  });
}

interface Place {
  readonly file: string;
  readonly part: PartName;
  readonly place: string;
  readonly path: string;
  readonly allowed: readonly string[];
}

async function checkedFolder({ file, part, place, path, allowed }: Place): Promise<string> {
  const folder = resolve(path, place);
  const named = `${file}: "components.${part}": ${JSON.stringify(place)} (${folder})`;
  if (isAbsolute(place)) throw new ModelError(`${named} must be relative to the model's folder`);
  if (!allowed.some((root) => isBelow(folder, root)))
    throw new ModelError(`${named} is outside of the folders that hold models: ${allowed.join(', ')}`);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new ModelError(`${named} is not there, or not a folder`);
  return folder;
}

function isBelow(path: string, root: string): boolean {
  const inner = relative(root, path);
  return inner !== '' && inner !== '..' && !inner.startsWith(`..${sep}`) && !isAbsolute(inner);
}

function record(value: unknown, problem: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ModelError(problem);
  return Object.fromEntries(Object.entries(value));
}
