/** The calm before: every setting rendered once by a farm that nobody disturbs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJob, readImage, untilSucceeded } from '../support/kiln-client.ts';
import { sha256Of } from './collect.ts';
import type { Evidence } from './evidence.ts';
import { SETTINGS, type SettingName } from './settings.ts';

export interface CalmParts {
  readonly url: string;
  /** Where the images are kept, each under its seed. */
  readonly imagesFolder: string;
}

/** SHA-256 of every image of every setting. */
export async function renderInCalm(parts: CalmParts): Promise<Evidence['expected']> {
  await mkdir(parts.imagesFolder, { recursive: true });
  return {
    quick: await renderOne('quick', parts),
    unguided: await renderOne('unguided', parts),
    pair: await renderOne('pair', parts),
    long: await renderOne('long', parts),
    wide: await renderOne('wide', parts),
  };
}

async function renderOne(setting: SettingName, { url, imagesFolder }: CalmParts): Promise<string[]> {
  const { id } = await createJob(url, SETTINGS[setting]);
  const { images } = await untilSucceeded(url, id);
  const digests: string[] = [];
  for (const image of images) {
    const bytes = await readImage(image.url);
    if (bytes === null) throw new Error(`image ${image.n} of the calm ${setting} job cannot be read`);
    await writeFile(join(imagesFolder, String(image.seed)), bytes);
    digests.push(sha256Of(bytes));
  }
  return digests;
}
