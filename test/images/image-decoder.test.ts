import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ImageDecoder } from '../../src/images/image-decoder.ts';
import { RefusedImageError } from '../../src/images/refused-image-error.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BAD_FILES } from './bad-files.ts';
import { picture } from './files.ts';

const decoder = new ImageDecoder();
afterAll(() => decoder.close());

async function refusalOf(file: Uint8Array, by = decoder): Promise<RefusedImageError | null> {
  const outcome = await by.decode(file).catch((error: unknown) => error);
  if (outcome instanceof RefusedImageError) return outcome;
  if (outcome instanceof Error) throw outcome;
  return null;
}

describe('a file that may do harm', () => {
  it.each(BAD_FILES)(
    '$name is refused with its reason, or only its pixels are taken',
    async ({ file, refusal }) => {
      const refused = await refusalOf(await file());
      if (refusal === null) assertTaken(refused);
      else assertRefused(refused, refusal);
    },
  );

  function assertTaken(refused: RefusedImageError | null): void {
    expect(refused).toBeNull();
  }

  function assertRefused(refused: RefusedImageError | null, reason: RegExp): void {
    expect(refused?.message).toMatch(reason);
    expect(refused?.message).toMatch(/^[ -~]{1,200}$/);
    expect(refused?.limit).toBeTruthy();
  }

  it('leaves the next one unharmed', async () => {
    const canonical = await decoder.decode(await picture().png().toBuffer());
    expect([canonical.width, canonical.height]).toEqual([64, 64]);
  });
});

describe('the decode child', () => {
  /** A child that does as the file says: 'die', 'hang', 'rave', or anything else: answer with an image. */
  const CHILD = `
    process.on('message', (file) => {
      const [word, pid] = [Buffer.from(file).toString(), String(process.pid)];
      if (word === 'die') process.kill(process.pid, 'SIGSEGV');
      else if (word === 'rave') process.send({ kind: 'image', png: word });
      else if (word !== 'hang') process.send({ kind: 'image', png: Buffer.from(pid), width: 1, height: 1 });
    });
    process.on('disconnect', () => process.exit(0));
  `;
  const file = (word: string): Uint8Array => Buffer.from(word);

  async function obedient(options: { waiting?: number; limitMs?: number } = {}): Promise<ImageDecoder> {
    const entry = join(await temporaryFolder(), 'child.mjs');
    await writeFile(entry, CHILD);
    return new ImageDecoder({ entry, children: 1, ...options });
  }

  async function pidOf(by: ImageDecoder): Promise<string> {
    return Buffer.from((await by.decode(file('live'))).png).toString();
  }

  it.each(['die', 'rave'])('is replaced when a file makes it %s, and the file is refused', async (word) => {
    const pool = await obedient();
    const first = await pidOf(pool);
    expect(await pidOf(pool)).toBe(first);
    expect((await refusalOf(file(word), pool))?.message).toBe('could not be decoded');
    expect(await pidOf(pool)).not.toBe(first);
    pool.close();
  });

  it('is killed when a file takes too long', async () => {
    const pool = await obedient({ limitMs: 200 });
    expect((await refusalOf(file('hang'), pool))?.message).toBe('could not be decoded');
    pool.close();
  });

  it('is replaced after some files, whatever they were', async () => {
    const pool = await obedient();
    const pids = new Set<string>();
    for (let n = 0; n < 51; n++) pids.add(await pidOf(pool));
    expect(pids.size).toBe(2);
    pool.close();
  });

  it('that cannot be started refuses the file', async () => {
    const pool = new ImageDecoder({ entry: join(await temporaryFolder(), 'absent.mjs') });
    expect((await refusalOf(file('live'), pool))?.message).toBe('could not be decoded');
  });

  it('has a queue that ends: who comes later is told to come again', async () => {
    const pool = await obedient({ waiting: 2 });
    const answers = await Promise.allSettled([1, 2, 3, 4].map(() => pidOf(pool)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(answers[3]).toMatchObject({ reason: { code: 'unavailable' } });
    expect(await pidOf(pool)).toMatch(/^\d+$/);
    pool.close();
  });
});
