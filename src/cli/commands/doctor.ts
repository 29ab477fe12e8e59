import { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import type { Finding } from '../doctor/examine-s3.ts';
import type { S3Settings } from '../../storage/store-settings.ts';

export function doctorCommand(): Command {
  const doctor = new Command('doctor')
    .description('try what a farm needs of this machine, and say what is wrong with it')
    .action(examineAll);
  doctor
    .command('s3')
    .description('try everything that Kiln asks of the bucket of KILN_S3_BUCKET, on objects of its own')
    .action(examineBucket);
  return doctor;
}

async function examineAll(): Promise<void> {
  const { examineMachine } = await import('../doctor/examine-machine.ts');
  await show(examineMachine(loadConfig(process.env), process.env));
}

async function examineBucket(): Promise<void> {
  const { store } = loadConfig(process.env);
  if (store.kind !== 's3')
    throw new Error('the settings name no bucket: KILN_S3_BUCKET is not set, or KILN_STORE is local');
  console.log(summary(store));
  // The SDK takes a while to load; other commands need not wait for it.
  const { examineS3 } = await import('../doctor/examine-s3.ts');
  await show(examineS3(store));
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

/** Exits with 1 when something fails, so that a script can ask. */
async function show(findings: AsyncIterable<Finding>): Promise<void> {
  let failures = 0;
  for await (const { name, outcome, text } of findings) {
    console.log(`${outcome.padEnd(8)}${name.padEnd(14)}${text}`);
    if (outcome === 'FAIL') failures++;
  }
  console.log(failures === 0 ? 'all is well' : `${failures} failed`);
  if (failures > 0) process.exitCode = 1;
}
