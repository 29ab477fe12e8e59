/** `kiln doctor s3` as people run it, on buckets that are well and on some that are not. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { examineS3, type Finding } from '../../src/cli/doctor/examine-s3.ts';
import { packageRoot } from '../../src/paths.ts';
import { Secret } from '../../src/storage/secret.ts';
import type { S3Settings } from '../../src/storage/store-settings.ts';
import { s3Refusal, startFaultProxy } from '../support/fault-proxy.ts';
import { S3_KEY, startS3, type TestS3 } from '../support/s3-server.ts';

/** On Node 20 the SDK says on stderr what it will need next year. */
const QUIET = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };

let s3: TestS3;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(() => s3.stop());
beforeEach(() => {
  s3.skewMs = 0;
});

async function examine(changes: Partial<S3Settings> = {}): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of examineS3(s3.settings(changes))) findings.push(finding);
  return findings;
}

const failed = (findings: readonly Finding[]): string[] =>
  findings.filter(({ outcome }) => outcome === 'FAIL').map(({ name, text }) => `${name}: ${text}`);

/** Rejects when the command exits with anything but 0. */
function run(environment: Record<string, string>): Promise<{ stdout: string; stderr: string }> {
  const env = { PATH: process.env['PATH'], ...QUIET, ...environment };
  const entry = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  return promisify(execFile)(process.execPath, [entry, 'doctor', 's3'], { env });
}

test('a bucket that is well gets a line for each thing that was tried, and nothing is left in it', async () => {
  const { stdout: out, stderr: err } = await run({
    KILN_S3_BUCKET: 'kiln-test',
    KILN_S3_ENDPOINT: s3.url,
    KILN_S3_ACCESS_KEY_ID: S3_KEY.accessKeyId,
    KILN_S3_SECRET_ACCESS_KEY: S3_KEY.secretAccessKey,
    KILN_S3_PREFIX: 'kiln',
  });
  expect(err).toBe('');
  const [head, ...lines] = out.trim().split('\n');
  expect(head).toBe(
    `bucket kiln-test, at ${s3.url} (minio), region us-east-1, path style, prefix kiln/, credentials as set`,
  );
  expect(lines.slice(0, -1).map((line) => line.replace(/^ok +(\w+( \w+)?).*/, '$1'))).toEqual([
    'bucket',
    'clock',
    'put',
    'get',
    'range',
    'absent',
    'touch',
    'list',
    'link',
    'changed link',
    'expired link',
    'no signature',
    'delete',
    'clean up',
  ]);
  expect(lines.at(-1)).toBe('all is well');
  expect(out).not.toContain(S3_KEY.secretAccessKey);
  expect(s3.objects.size).toBe(0);
});

test('without a bucket in the settings it says so, and exits with 1', async () => {
  await expect(run({})).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^kiln: the settings name no bucket/),
  });
});

test('a wrong secret fails everything that is signed, and the rest is not tried', async () => {
  const credentials = { accessKeyId: S3_KEY.accessKeyId, secretAccessKey: new Secret('wrong') };
  const findings = await examine({ credentials });
  expect(failed(findings).join('\n')).toMatch(/^bucket: .*\nput: SignatureDoesNotMatch.*s3:PutObject/);
  expect(findings.find(({ name }) => name === 'get')).toMatchObject({ outcome: 'skipped' });
  expect(JSON.stringify(findings)).not.toMatch(/wrong|KILNTESTKEY/);
});

test('a missing bucket is named by what S3 calls it', async () => {
  expect(failed(await examine({ bucket: 'nobody' })).join('\n')).toMatch(/put: NoSuchBucket/);
});

test('a clock that is wrong is told, though the client makes up for it', async () => {
  s3.skewMs = 20 * 60_000;
  expect(failed(await examine())[0]).toMatch(
    /^clock: this machine is 1\d{3} s behind the server; links need/,
  );
});

test('with addresses of the bucket switched off, links are not tried', async () => {
  const findings = await examine({ presign: false });
  expect(failed(findings)).toEqual([]);
  expect(findings.filter(({ outcome }) => outcome === 'skipped').map(({ name }) => name)).toEqual([
    'link',
    'changed link',
    'expired link',
    'no signature',
  ]);
});

test('an address that callers cannot reach fails the link, not the rest', async () => {
  const proxy = await startFaultProxy(s3.port);
  await proxy.stop();
  const [first, ...rest] = failed(await examine({ publicEndpoint: proxy.url }));
  expect(first).toMatch(new RegExp(`^link: ${proxy.url} does not answer: .*ECONNREFUSED`));
  expect(rest.map((line) => line.split(':')[0])).toEqual(['changed link', 'expired link', 'no signature']);
});

test('a server that cannot copy fails the touch, and is still cleaned up', async () => {
  const proxy = await startFaultProxy(s3.port);
  const isCopy = (answer: string): boolean => answer.includes('CopyObjectResult');
  proxy.faults.push(
    ...Array.from({ length: 40 }, () => ({
      kind: 'reword' as const,
      change: (answer: string) => {
        const refusal = s3Refusal(501, 'NotImplemented');
        return isCopy(answer) && refusal.kind === 'answer' ? refusal.text : answer;
      },
    })),
  );
  const findings = await examine({ endpoint: proxy.url });
  await proxy.stop();
  expect(failed(findings)).toEqual(['touch: NotImplemented (HTTP 501): not now']);
  expect(s3.objects.size).toBe(0);
});
