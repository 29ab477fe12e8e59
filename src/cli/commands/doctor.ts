import { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import type { S3Settings } from '../../storage/store-settings.ts';

export function doctorCommand(): Command {
  const doctor = new Command('doctor').description('try what Kiln needs, and say what is wrong with it');
  doctor
    .command('s3')
    .description('try everything that Kiln asks of the bucket of KILN_S3_BUCKET, on objects of its own')
    .action(examineBucket);
  return doctor;
}

/** Exits with 1 when something fails, so that a script can ask. */
async function examineBucket(): Promise<void> {
  const { store } = loadConfig(process.env);
  if (store.kind !== 's3')
    throw new Error('the settings name no bucket: KILN_S3_BUCKET is not set, or KILN_STORE is local');
  console.log(summary(store));
  // The SDK takes a while to load; other commands need not wait for it.
  const { examineS3 } = await import('../doctor/examine-s3.ts');
  let failures = 0;
  for await (const { name, outcome, text } of examineS3(store)) {
    console.log(`${outcome.padEnd(8)}${name.padEnd(14)}${text}`);
    if (outcome === 'FAIL') failures++;
  }
  console.log(failures === 0 ? 'all is well' : `${failures} failed`);
  if (failures > 0) process.exitCode = 1;
}

function summary(store: S3Settings): string {
  const { bucket, endpoint, prefix, preset, region, forcePathStyle, credentials } = store;
  return [
    `bucket ${bucket}`,
    `at ${endpoint ?? 'AWS'} (${preset})`,
    `region ${region ?? 'of the AWS environment'}`,
    forcePathStyle ? 'path style' : 'host style',
    prefix === '' ? 'no prefix' : `prefix ${prefix}`,
    `credentials ${credentials === null ? 'of the AWS environment' : 'as set'}`,
  ].join(', ');
}
