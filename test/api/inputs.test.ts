import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ImageIntake } from '../../src/inputs/image-intake.ts';
import { inputResolver, type ResolveInput } from '../../src/inputs/resolve-input.ts';
import { KilnError } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { ImageDecoder } from '../../src/images/image-decoder.ts';
import { LocalStore } from '../../src/storage/local-store.ts';
import { inputFolder, inputKey } from '../../src/storage/object-keys.ts';
import { picture } from '../images/files.ts';

const TENANT = 'default';

let folder: string;
let store: LocalStore;
let decoder: ImageDecoder;
let server: Server;
let origin: string;
let resolve: ResolveInput;
let file: Buffer;
let base64: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-inputs-'));
  store = new LocalStore(folder);
  decoder = new ImageDecoder();
  file = await picture().resize(96, 48).jpeg().toBuffer();
  base64 = file.toString('base64');
  server = createServer(({ url }, response) => response.end(url === '/picture' ? file : 'no picture'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen');
  origin = `http://127.0.0.1:${address.port}`;
  const outbound = { allowHttp: false, allowedOrigins: new Set([origin]) };
  resolve = inputResolver({ intake: new ImageIntake({ store, decoder }), config: { outbound } });
});
afterAll(async () => {
  decoder.close();
  server.close();
  await rm(folder, { recursive: true });
});

/** The one fault that the value is refused with. */
async function faultOf(value: string, field = 'image'): Promise<KilnError['faults'][number]> {
  const error = await resolve(value, field, TENANT).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KilnError))
    throw new Error(`${value.slice(0, 80)} was not refused`, { cause: error });
  expect(error.code).toBe('invalid_request');
  expect(error.faults).toHaveLength(1);
  return error.faults[0]!;
}

describe('an image of a job', () => {
  test('is the same object in whatever way it comes', async () => {
    const first = await resolve(base64, 'image', TENANT);
    expect(first).toMatchObject({ id: expect.stringMatching(/^up_[0-9a-f]{64}$/), width: 96, height: 48 });
    const ways = [
      `data:image/jpeg;base64,${base64}`,
      `DATA:text/plain;charset=x;base64,${base64}`,
      `data:;base64,${base64}`,
      base64.replaceAll(/(.{76})/g, '$1\r\n'),
      base64.replace(/=+$/, ''),
      `${origin}/picture`,
      first.id,
    ];
    for (const value of ways) {
      expect(await resolve(value, 'mask', TENANT), value.slice(0, 40)).toEqual(first);
    }
    expect(await store.list(inputFolder(TENANT))).toEqual([inputKey(TENANT, first.id)]);
  });

  test('is kept for longer each time it is named', async () => {
    const { id } = await resolve(base64, 'image', TENANT);
    await expect(store.deleteUnused(inputFolder(TENANT), 60_000)).resolves.toBe(0);
    await store.delete(inputKey(TENANT, id));
    expect(await faultOf(id)).toEqual({
      field: 'image',
      value: id,
      message: 'names an upload that does not exist, or no longer',
    });
  });

  test('of another tenant does not exist', async () => {
    const { id } = await resolve(base64, 'image', 'somebody');
    expect((await faultOf(id)).message).toContain('does not exist');
  });
});

describe('what cannot be an image is refused with its field, its value and the reason:', () => {
  test.each([
    ['up_123', "is no upload id: 'up_' and 64 digits 0-9a-f"],
    [`up_${'A'.repeat(64)}`, "is no upload id: 'up_' and 64 digits 0-9a-f"],
    [`up_${'0'.repeat(64)}/../x`, "is no upload id: 'up_' and 64 digits 0-9a-f"],
    ['', /^is no image; send an upload id/],
    ['a lighthouse', /^is no image; send an upload id/],
    ['abcde', /^is no image; send an upload id/],
    ['ab=c', /^is no image; send an upload id/],
    ['../../etc/passwd', /^is no image; send an upload id/],
    ['data:image/png,abc', "is a data: URL without ';base64,'"],
    ['data:image/png;base64', "is a data: URL without ';base64,'"],
    ['data:image/png;base64,', /^is no image; send an upload id/],
    ['data:image/png;base64,%41%41', /^is no image; send an upload id/],
    ['AAAA', 'is of an unknown format; send a PNG, JPEG or WebP image'],
    ['http://files.example/a.png', 'has the scheme http; https is taken'],
    ['file:///etc/passwd', 'has the scheme file; https is taken'],
    ['https://169.254.169.254/latest/meta-data', 'leads to an address that is not public'],
    ['https://localhost/a.png', 'leads to an address that is not public'],
    ['https://user:secret@files.example/a.png', 'holds a user name or a password'],
  ])('%j', async (value, message) => {
    const fault = await faultOf(value, 'depth_map');
    expect(fault).toMatchObject({ field: 'depth_map', value });
    expect(fault.message).toMatch(message);
  });

  test('an address that gives no image', async () => {
    expect((await faultOf(`${origin}/text`)).message).toBe(
      'is of an unknown format; send a PNG, JPEG or WebP image',
    );
  });

  test('base64 that is too long, before it is decoded', async () => {
    const long = 'A'.repeat(LIMITS.inlineImageChars + 1);
    expect(await faultOf(long)).toMatchObject({ limit: LIMITS.inlineImageBytes });
    expect((await faultOf(`data:image/png;base64,${long}`)).message).toContain('upload it, and send its id');
  });
});
