import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobView } from '../../contract/job.ts';
import type { KilnClient } from '../client.ts';
import { contactSheet, type SheetCell } from '../../images/sheet/contact-sheet.ts';

const SHEET = 'contact-sheet.png';

/** Downloads each job's picture into `folder` (emptied first) and draws the sheet of all; resolves with its path. */
export async function savePictures(
  client: KilnClient,
  jobs: readonly JobView[],
  folder: string,
): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const cells = await Promise.all(
    jobs.map(async (job, i): Promise<SheetCell> => {
      const [picture] = job.images;
      if (picture === undefined) throw new Error(`job ${job.id} succeeded without an image`);
      const image = await client.download(picture.url);
      await writeFile(join(folder, fileName(job, i)), image);
      return { image, title: job.request.prompt, note: note(job, picture) };
    }),
  );
  const sheet = join(folder, SHEET);
  await writeFile(sheet, await contactSheet(cells));
  return sheet;
}

/** '03-a-large-green-cylinder-on-a-brown-floor.png': in the order of the jobs, and telling. */
function fileName({ request }: JobView, i: number): string {
  const words = request.prompt.toLowerCase().split(/\W+/).slice(0, 8).join('-');
  return `${String(i + 1).padStart(2, '0')}-${words}.${request.output.format}`;
}

function note(
  { request: { steps, sampler } }: JobView,
  { width, height }: JobView['images'][number],
): string {
  return `${width}x${height}  ${steps} steps  ${sampler}`;
}
