import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { Secret } from '../../src/storage/secret.ts';
import type { StoreSettings } from '../../src/storage/store-settings.ts';

const KEYS = { KILN_S3_ACCESS_KEY_ID: 'ID', KILN_S3_SECRET_ACCESS_KEY: 'very+secret' };
const storeOf = (environment: Record<string, string>): StoreSettings => loadConfig(environment).store;

describe('the store', () => {
  test('is a folder unless a bucket is named', () => {
    expect(storeOf({ KILN_DATA_DIR: '/data' })).toEqual({ kind: 'local', folder: '/data/objects' });
    expect(storeOf({ KILN_S3_BUCKET: 'images' }).kind).toBe('s3');
    expect(storeOf({ KILN_STORE: 'local', KILN_S3_BUCKET: 'images' }).kind).toBe('local');
  });

  test('at AWS takes address, region and credentials from the AWS environment', () => {
    expect(storeOf({ KILN_S3_BUCKET: 'images' })).toEqual({
      kind: 's3',
      preset: 'aws',
      bucket: 'images',
      prefix: '',
      endpoint: null,
      publicEndpoint: null,
      region: null,
      credentials: null,
      forcePathStyle: false,
      hasConditionalCopy: true,
      presign: true,
    });
  });

  test('takes what is set, and the rest from its preset', () => {
    const store = storeOf({
      ...KEYS,
      KILN_S3_BUCKET: 'images',
      KILN_S3_PRESET: 'b2',
      KILN_S3_ENDPOINT: 'https://s3.us-west-004.backblazeb2.com/',
      KILN_S3_PUBLIC_ENDPOINT: 'https://images.example.org',
      KILN_S3_REGION: 'us-west-004',
      KILN_S3_FORCE_PATH_STYLE: 'false',
      KILN_S3_PREFIX: 'kiln/one//',
      KILN_S3_PRESIGN: 'off',
    });
    expect(store).toEqual({
      kind: 's3',
      preset: 'b2',
      bucket: 'images',
      prefix: 'kiln/one/',
      endpoint: 'https://s3.us-west-004.backblazeb2.com',
      publicEndpoint: 'https://images.example.org',
      region: 'us-west-004',
      credentials: { accessKeyId: 'ID', secretAccessKey: expect.any(Secret) },
      forcePathStyle: false,
      hasConditionalCopy: false,
      presign: false,
    });
  });

  test.each([
    ['r2', 'https://a.r2.cloudflarestorage.com', 'auto'],
    ['gcs', '', 'auto'],
    ['minio', 'http://minio:9000', 'us-east-1'],
    ['ceph', 'http://rgw:7480', 'us-east-1'],
    ['', 'http://any:9000', 'us-east-1'],
  ])('of the preset "%s" has path style and a region', (preset, endpoint, region) => {
    const store = storeOf({ KILN_S3_BUCKET: 'abc', KILN_S3_PRESET: preset, KILN_S3_ENDPOINT: endpoint });
    expect(store).toMatchObject({ forcePathStyle: true, region });
  });
});

describe('a wrong setting is named with its value and what it may be:', () => {
  test.each<[Record<string, string>, RegExp]>([
    [{ KILN_STORE: 'gcs' }, /KILN_STORE is gcs; it may be local or s3/],
    [{ KILN_STORE: 's3' }, /KILN_S3_BUCKET is not set; KILN_STORE=s3 needs it/],
    [{ KILN_S3_ENDPOINT: 'http://x' }, /KILN_S3_ENDPOINT: KILN_S3_BUCKET is not set/],
    [{ KILN_S3_BUCKET: 'a/b' }, /KILN_S3_BUCKET is a\/b; a bucket has 3 to 63/],
    [
      { KILN_S3_PRESET: 'azure' },
      /KILN_S3_PRESET is azure; it may be aws, r2, b2, gcs, minio, ceph or empty/,
    ],
    [{ KILN_S3_PRESET: 'r2' }, /KILN_S3_ENDPOINT is not set; the preset r2 needs it/],
    [{ KILN_S3_PRESET: 'b2' }, /KILN_S3_REGION is not set; the preset b2 needs it/],
    [{ KILN_S3_REGION: 'a b' }, /KILN_S3_REGION is a b; a region has/],
    [{ KILN_S3_FORCE_PATH_STYLE: 'yes' }, /KILN_S3_FORCE_PATH_STYLE is yes; it may be true or false/],
    [{ KILN_S3_PRESIGN: 'no' }, /KILN_S3_PRESIGN is no; it may be on or off/],
    [{ KILN_S3_PREFIX: '/kiln' }, /KILN_S3_PREFIX holds an empty part/],
    [{ KILN_S3_PREFIX: 'x'.repeat(257) }, /KILN_S3_PREFIX is longer than 256 bytes/],
    [{ KILN_S3_ACCESS_KEY_ID: 'ID' }, /KILN_S3_SECRET_ACCESS_KEY is not set, but the other half/],
    [{ KILN_S3_SECRET_ACCESS_KEY: 'S' }, /KILN_S3_ACCESS_KEY_ID is not set, but the other half/],
  ])('%o', (environment, message) => {
    const bucket = message.source.includes('KILN_S3_BUCKET is not set') || 'KILN_STORE' in environment;
    expect(() => storeOf({ ...(bucket ? {} : { KILN_S3_BUCKET: 'images' }), ...environment })).toThrow(
      message,
    );
  });

  test('all of them at once', () => {
    expect(() => storeOf({ KILN_S3_BUCKET: 'x', KILN_S3_PRESET: 'ceph', KILN_S3_PRESIGN: 'maybe' })).toThrow(
      /KILN_S3_BUCKET is x.*\nKILN_S3_ENDPOINT is not set.*\nKILN_S3_PRESIGN is maybe/,
    );
  });

  test.each([
    { ...KEYS, KILN_S3_SECRET_ACCESS_KEY: 'very+secret\n' },
    { ...KEYS, KILN_S3_ENDPOINT: 'https://user:very+secret@host' },
    { ...KEYS, KILN_S3_ENDPOINT: 'https://host?key=very+secret' },
    { ...KEYS, KILN_S3_PUBLIC_ENDPOINT: 'ftp://very+secret' },
  ])('but never with a secret (%#)', (environment) => {
    const load = (): unknown => storeOf({ KILN_S3_BUCKET: 'images', ...environment });
    expect(load).toThrow(/KILN_S3_/);
    expect(load).not.toThrow(/very/);
  });
});
