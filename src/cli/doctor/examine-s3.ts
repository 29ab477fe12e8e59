import { StoreError } from '../../storage/store-error.ts';
import { S3Fault } from '../../storage/s3/s3-fault.ts';
import type { S3Settings } from '../../storage/store-settings.ts';
import { Patient, S3_CHECKS, type S3Check } from './s3-checks.ts';

export interface Finding {
  readonly name: string;
  readonly outcome: 'ok' | 'FAIL' | 'skipped';
  /** What was seen, what is wrong, or why it was not tried. */
  readonly text: string;
}

/** Tries everything, one after the other; what it put there is gone at the end, also when the caller stops listening. */
export async function* examineS3(settings: S3Settings): AsyncGenerator<Finding> {
  const patient = new Patient(settings);
  let hasObjects = false;
  try {
    for (const check of S3_CHECKS) {
      const finding: Finding =
        whyNot(check, { hasObjects, hasLinks: settings.presign }) ?? (await tried(check, patient));
      if (check.name === 'put') hasObjects = finding.outcome === 'ok';
      yield finding;
    }
  } finally {
    yield await cleanedUp(patient);
  }
}

function whyNot(check: S3Check, has: { hasObjects: boolean; hasLinks: boolean }): Finding | undefined {
  const { name } = check;
  if (check.needsLinks === true && !has.hasLinks)
    return { name, outcome: 'skipped', text: 'KILN_S3_PRESIGN is off' };
  if (check.needsObjects === true && !has.hasObjects)
    return { name, outcome: 'skipped', text: 'there are no objects to try it on' };
  return undefined;
}

async function tried(check: S3Check, patient: Patient): Promise<Finding> {
  try {
    return { name: check.name, outcome: 'ok', text: await check.run(patient) };
  } catch (error) {
    return { name: check.name, outcome: 'FAIL', text: reasonOf(error, check.permission) };
  }
}

async function cleanedUp(patient: Patient): Promise<Finding> {
  const name = 'clean up';
  try {
    await patient.cleanUp();
    return { name, outcome: 'ok', text: 'nothing is left' };
  } catch (error) {
    const text = `${patient.settings.prefix}${patient.folder} may still hold objects: ${reasonOf(error)}`;
    return { name, outcome: 'FAIL', text };
  }
}

function reasonOf(error: unknown, permission?: string): string {
  const cause = error instanceof StoreError ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  const isRefused = cause instanceof S3Fault && cause.status === 403;
  return isRefused && permission !== undefined ? `${message}; it takes ${permission}` : message;
}
