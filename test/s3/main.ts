/**
 * `npm run test:s3`: the suites of this folder against a real S3 server. Against the bucket that KILN_S3_BUCKET and the
 * other settings name, when they do; else against a radosgw of its own, which is installed, started and stopped here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { S3Client, CreateBucketCommand } from '@aws-sdk/client-s3';
import { packageRoot } from '../../src/paths.ts';
import { installRadosgw } from './packages.ts';
import { startRadosgw } from './radosgw.ts';

const BUCKET = 'kiln-test';

// An exit of our own takes the servers along.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const isGiven = (process.env['KILN_S3_BUCKET'] ?? '') !== '';
process.exitCode = isGiven ? await runSuites({}) : await onRadosgw();

async function onRadosgw(): Promise<number> {
  await installRadosgw();
  const startedAt = performance.now();
  const server = await startRadosgw();
  console.log(`radosgw answers after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  try {
    const { endpoint, accessKeyId, secretAccessKey } = server;
    const client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    return await runSuites({
      KILN_S3_BUCKET: BUCKET,
      KILN_S3_PRESET: 'ceph',
      KILN_S3_ENDPOINT: endpoint,
      KILN_S3_ACCESS_KEY_ID: accessKeyId,
      KILN_S3_SECRET_ACCESS_KEY: secretAccessKey,
    });
  } finally {
    await server.stop();
  }
}

/** The exit code of vitest. */
async function runSuites(environment: Readonly<Record<string, string>>): Promise<number> {
  const vitest = join(packageRoot(), 'node_modules', 'vitest', 'vitest.mjs');
  const config = join(packageRoot(), 'test', 's3', 'vitest.config.ts');
  const child = spawn(process.execPath, [vitest, 'run', '--config', config, ...process.argv.slice(2)], {
    cwd: packageRoot(),
    env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', ...environment },
    stdio: 'inherit',
  });
  await once(child, 'exit');
  return child.exitCode ?? 1;
}
