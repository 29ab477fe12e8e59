import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Parse } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Upload } from '../../src/contract/upload.ts';
import { DEFAULT_TENANT } from '../../src/domain/job.ts';
import { INPUT_LIMITS } from '../../src/domain/input-limits.ts';
import { inputKey } from '../../src/storage/object-keys.ts';
import { picture, png } from '../images/files.ts';
import { problemOf, startApi, type Answer, type TestApi } from './test-api.ts';

let api: TestApi;
let file: Buffer;
beforeAll(async () => {
  api = await startApi({ config: { inputTtlMs: 60_000 } });
  file = await picture().jpeg().toBuffer();
});
afterAll(() => api.close());

function send(body: NonNullable<RequestInit['body']>, type?: string): Promise<Answer> {
  return api.send('/v1/uploads', {
    method: 'POST',
    body,
    ...(type === undefined ? {} : { headers: { 'content-type': type } }),
  });
}

function uploadOf(answer: Answer, status = 201): Upload {
  expect(answer.status, answer.text).toBe(status);
  return Parse(Upload, JSON.parse(answer.text));
}

function form(...files: Uint8Array[]): FormData {
  const parts = new FormData();
  parts.append('note', 'a field that nobody reads');
  for (const bytes of files) parts.append('file', new Blob([Buffer.from(bytes)]), '../../etc/passwd');
  return parts;
}

describe('an upload', () => {
  test.each(['application/octet-stream', 'image/png', 'image/whatever'])(
    'is taken as %s, since its content alone counts',
    async (type) => {
      const before = Date.now();
      const answer = await send(file, type);
      const upload = uploadOf(answer);
      expect(upload).toMatchObject({ width: 64, height: 64, content_type: 'image/png' });
      expect(upload.id).toBe(`up_${upload.sha256}`);
      expect(answer.headers.get('location')).toBe(`${api.url}/v1/uploads/${upload.id}`);
      expect(Date.parse(upload.expires_at)).toBeGreaterThanOrEqual(before + 60_000);
    },
  );

  test('is the same as the file of a form, and as every other file with its pixels', async () => {
    const first = uploadOf(await send(form(file)));
    const again = await picture().png({ compressionLevel: 9 }).toBuffer();
    const other = uploadOf(await send(again, 'image/png'));
    expect(other.id).not.toBe(first.id);
    expect(uploadOf(await send(form(await picture().webp({ lossless: true }).toBuffer()))).id).toBe(other.id);
    expect(uploadOf(await send(form(file))).id).toBe(first.id);
  });

  test('is kept as the PNG that its answer describes', async () => {
    const upload = uploadOf(await send(file, 'image/jpeg'));
    const kept = await api.parts.store.get(inputKey(DEFAULT_TENANT, upload.id));
    expect(kept?.length).toBe(upload.bytes);
    expect(createHash('sha256').update(kept!).digest('hex')).toBe(upload.sha256);
  });

  test('can be looked at, until it is gone', async () => {
    const upload = uploadOf(await send(file, 'image/jpeg'));
    const seen = uploadOf(await api.send(`/v1/uploads/${upload.id}`), 200);
    expect({ ...seen, expires_at: '' }).toEqual({ ...upload, expires_at: '' });
    await api.parts.store.delete(inputKey(DEFAULT_TENANT, upload.id));
    expect(problemOf(await api.send(`/v1/uploads/${upload.id}`)).code).toBe('not_found');
  });

  test.each(['nothing', `up_${'0'.repeat(64)}`, `up_${'0'.repeat(63)}`, '..%2f..%2fetc', 'up_%00'])(
    'does not exist as %s',
    async (id) => {
      expect(problemOf(await api.send(`/v1/uploads/${id}`)).code).toBe('not_found');
    },
  );

  test('belongs to its tenant', async () => {
    const upload = uploadOf(await send(file, 'image/jpeg'));
    const mine = inputKey(DEFAULT_TENANT, upload.id);
    const bytes = await api.parts.store.get(mine);
    await api.parts.store.delete(mine);
    await api.parts.store.put(inputKey('somebody', upload.id), bytes!, 'image/png');
    expect(problemOf(await api.send(`/v1/uploads/${upload.id}`)).code).toBe('not_found');
  });
});

describe('what is refused', () => {
  test('is a file that is no image, with the reason', async () => {
    const problem = problemOf(await send(form(Buffer.from('GIF89a')), undefined));
    expect(problem.errors).toEqual([
      { field: 'file', limit: 'PNG, JPEG or WebP', message: 'is a GIF; send a PNG, JPEG or WebP image' },
    ]);
    expect(problemOf(await send(png({ width: 20_000, height: 20 }), 'image/png')).errors).toEqual([
      { field: 'file', limit: 8192, message: 'is an image of 20000 x 20 pixels: a side has at most 8192' },
    ]);
  });

  test.each(['application/json', 'text/plain', 'application/x-www-form-urlencoded'])(
    'is a body of type %s',
    async (type) => {
      const problem = problemOf(await send('{}', type));
      expect(problem.code).toBe('unsupported_media_type');
      expect(problem.detail).toContain('multipart/form-data');
    },
  );

  test('is a request without a file', async () => {
    for (const answer of [
      await send(form()),
      await send('', 'image/png'),
      await api.send('/v1/uploads', { method: 'POST' }),
    ]) {
      expect(problemOf(answer).errors[0]?.field).toBe('file');
    }
  });

  test('is more than one file', async () => {
    expect(problemOf(await send(form(file, file))).detail).toBe('One file is taken at a time');
  });

  test.each([
    ['without a boundary', 'multipart/form-data', '--x\r\n\r\n'],
    ['with a boundary that never comes', 'multipart/form-data; boundary=x', 'nothing of the kind'],
    ['cut off in its file', 'multipart/form-data; boundary=x', partOf('abc')],
    ['cut off in its headers', 'multipart/form-data; boundary=x', partOf('').slice(0, 30)],
    ['with a field that is a trap', 'multipart/form-data; boundary=x', `${field('__proto__')}--x--\r\n`],
  ])('is a form %s', async (_what, type, body) => {
    expect(problemOf(await send(body, type)).code).toBe('invalid_request');
  });

  test.each(['whole body', 'form'])('is a file of more than 32 MiB as a %s', async (way) => {
    const large = Buffer.alloc(INPUT_LIMITS.fileBytes + 1);
    const problem = problemOf(way === 'form' ? await send(form(large)) : await send(large, 'image/png'));
    expect(problem.code).toBe('payload_too_large');
  });

  test.each(['image/png', 'multipart/form-data; boundary=x'])(
    'is a body of type %s that says it is longer than any file may be, before it is sent',
    async (type) => {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.write(
        `POST /v1/uploads HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: 99999999999\r\n` +
          `content-type: ${type}\r\n\r\n`,
      );
      await once(socket, 'connect');
      expect(await text(socket)).toContain('"code":"payload_too_large"');
    },
  );

  test('is whatever would not fit beside the large bodies under way', async () => {
    const open = Array.from({ length: 8 }, () => connect(Number(new URL(api.url).port), '127.0.0.1'));
    for (const socket of open) {
      socket.write(
        `POST /v1/uploads HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: 100-continue\r\ncontent-type: image/png\r\n` +
          `content-length: ${INPUT_LIMITS.fileBytes}\r\n\r\n`,
      );
      await once(socket, 'data');
    }
    const answer = await send(Buffer.alloc(2 ** 21), 'image/png');
    expect([problemOf(answer).code, answer.headers.get('retry-after')]).toEqual(['unavailable', '2']);
    uploadOf(await send(file, 'image/jpeg'));
    for (const socket of open) socket.destroy();
  });
});

/** A form with one file, without its end. */
function partOf(content: string): string {
  return `--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n${content}`;
}

function field(name: string): string {
  return `--x\r\ncontent-disposition: form-data; name="${name}"\r\n\r\nvalue\r\n`;
}
