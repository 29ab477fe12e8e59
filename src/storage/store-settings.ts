/** Where objects are kept: the part of the settings that `src/config.ts` hands to `open-store.ts`. */
import { Type, type Static } from 'typebox';
import { pathFault } from './key-rules.ts';
import { isS3PresetName, S3_PRESETS, type S3Preset, type S3PresetName } from './s3/presets.ts';
import { Secret } from './secret.ts';

export const STORE_VARIABLES = {
  KILN_STORE: text('local or s3; empty: s3 when KILN_S3_BUCKET is set, else local'),
  KILN_S3_BUCKET: text('exists already; Kiln creates none'),
  KILN_S3_PRESET: text('aws, r2, b2, gcs, minio or ceph; empty: minio with an endpoint, else aws'),
  KILN_S3_ENDPOINT: text('such as https://s3.internal:9000; not for aws and gcs'),
  KILN_S3_PUBLIC_ENDPOINT: text('where callers reach the bucket, when that is not KILN_S3_ENDPOINT'),
  KILN_S3_REGION: text("empty: the preset's; for aws, the AWS environment's"),
  KILN_S3_ACCESS_KEY_ID: text("empty: the AWS SDK's default chain of credentials"),
  KILN_S3_SECRET_ACCESS_KEY: text('goes with KILN_S3_ACCESS_KEY_ID'),
  KILN_S3_FORCE_PATH_STYLE: text("true or false; empty: the preset's"),
  KILN_S3_PREFIX: text('starts every key; several farms can share one bucket'),
  KILN_S3_PRESIGN: Type.String({
    default: 'on',
    description: 'on: image links lead to the bucket; off: the API sends the bytes',
  }),
};
const Variables = Type.Object(STORE_VARIABLES);
type Variables = Static<typeof Variables>;

export interface S3Settings {
  readonly kind: 's3';
  readonly preset: S3PresetName;
  readonly bucket: string;
  /** Empty, or ends in '/'. */
  readonly prefix: string;
  /** Null: AWS's own. */
  readonly endpoint: string | null;
  /** Null: callers use the same endpoint. */
  readonly publicEndpoint: string | null;
  /** Null: as the AWS environment says. */
  readonly region: string | null;
  /** Null: the AWS SDK's default chain. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: Secret } | null;
  readonly forcePathStyle: boolean;
  readonly hasConditionalCopy: boolean;
  readonly presign: boolean;
}

export type StoreSettings = { readonly kind: 'local'; readonly folder: string } | S3Settings;

const MAX_PREFIX_BYTES = 256;
/** AWS takes lower case only, others more. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$/;
const REGION = /^[A-Za-z0-9-]{1,64}$/;
/** What can stand in a header; anything else is a slip of the pen, and an error of the client would show it. */
const CREDENTIAL = /^[\x21-\x7e]+$/;

/** Throws with every fault of the variables at once, and never with the value of a secret. */
export function storeSettings(env: Variables, localFolder: string): StoreSettings {
  const faults: string[] = [];
  const kind = chosen(env, faults);
  const settings = kind === 's3' ? s3Settings(env, faults) : ({ kind, folder: localFolder } as const);
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return settings;
}

function chosen(env: Variables, faults: string[]): StoreSettings['kind'] {
  const { KILN_STORE: store, KILN_S3_BUCKET: bucket } = env;
  if (store === 'local' || store === 's3') return store;
  if (store !== '') faults.push(`KILN_STORE is ${store}; it may be local or s3`);
  if (bucket !== '') return 's3';
  const stray = Object.entries(env).filter(
    ([name, value]) =>
      name.startsWith('KILN_S3_') && value !== '' && !(name === 'KILN_S3_PRESIGN' && value === 'on'),
  );
  // Someone meant S3: a farm that quietly writes to a folder would be found out too late.
  if (stray.length > 0) faults.push(`${stray.map(([name]) => name).join(', ')}: KILN_S3_BUCKET is not set`);
  return 'local';
}

function s3Settings(env: Variables, faults: string[]): S3Settings {
  const preset = presetOf(env, faults);
  const rules: S3Preset = S3_PRESETS[preset];
  if (!BUCKET.test(env.KILN_S3_BUCKET))
    faults.push(
      env.KILN_S3_BUCKET === ''
        ? 'KILN_S3_BUCKET is not set; KILN_STORE=s3 needs it'
        : `KILN_S3_BUCKET is ${env.KILN_S3_BUCKET}; a bucket has 3 to 63 letters, digits, dots, dashes and underscores`,
    );
  return {
    kind: 's3',
    preset,
    bucket: env.KILN_S3_BUCKET,
    prefix: prefixOf(env.KILN_S3_PREFIX, faults),
    endpoint: endpointOf(env, { preset, rules, faults }),
    publicEndpoint: url('KILN_S3_PUBLIC_ENDPOINT', env.KILN_S3_PUBLIC_ENDPOINT, faults),
    region: regionOf(env, { preset, rules, faults }),
    credentials: credentialsOf(env, faults),
    forcePathStyle:
      oneOf(env, 'KILN_S3_FORCE_PATH_STYLE', ['', 'true', 'false'], faults) === ''
        ? rules.forcePathStyle
        : env.KILN_S3_FORCE_PATH_STYLE === 'true',
    hasConditionalCopy: rules.hasConditionalCopy,
    presign: oneOf(env, 'KILN_S3_PRESIGN', ['on', 'off'], faults) === 'on',
  };
}

function presetOf(env: Variables, faults: string[]): S3PresetName {
  const { KILN_S3_PRESET: name, KILN_S3_ENDPOINT: endpoint } = env;
  if (isS3PresetName(name)) return name;
  if (name !== '')
    faults.push(`KILN_S3_PRESET is ${name}; it may be ${Object.keys(S3_PRESETS).join(', ')} or empty`);
  return endpoint === '' ? 'aws' : 'minio';
}

interface PresetRules {
  readonly preset: S3PresetName;
  readonly rules: S3Preset;
  readonly faults: string[];
}

function endpointOf(env: Variables, { preset, rules, faults }: PresetRules): string | null {
  const given = url('KILN_S3_ENDPOINT', env.KILN_S3_ENDPOINT, faults);
  if (given !== null) return given;
  if (rules.needsEndpoint && env.KILN_S3_ENDPOINT === '')
    faults.push(`KILN_S3_ENDPOINT is not set; the preset ${preset} needs it`);
  return rules.endpoint;
}

function regionOf(env: Variables, { preset, rules, faults }: PresetRules): string | null {
  const { KILN_S3_REGION: region } = env;
  if (region === '') {
    if (rules.needsRegion) faults.push(`KILN_S3_REGION is not set; the preset ${preset} needs it`);
    return rules.region;
  }
  if (!REGION.test(region))
    faults.push(`KILN_S3_REGION is ${region}; a region has up to 64 letters, digits and dashes`);
  return region;
}

function credentialsOf(env: Variables, faults: string[]): S3Settings['credentials'] {
  const { KILN_S3_ACCESS_KEY_ID: accessKeyId, KILN_S3_SECRET_ACCESS_KEY: secret } = env;
  if (accessKeyId === '' && secret === '') return null;
  for (const name of ['KILN_S3_ACCESS_KEY_ID', 'KILN_S3_SECRET_ACCESS_KEY'] as const) {
    if (env[name] === '') faults.push(`${name} is not set, but the other half of the pair is`);
    else if (!CREDENTIAL.test(env[name]))
      faults.push(`${name} holds characters that no key has, such as a space or a line break`);
  }
  return { accessKeyId, secretAccessKey: new Secret(secret) };
}

function prefixOf(given: string, faults: string[]): string {
  const prefix = given.replace(/\/+$/, '');
  if (prefix === '') return '';
  const fault =
    Buffer.byteLength(prefix) > MAX_PREFIX_BYTES
      ? `is longer than ${MAX_PREFIX_BYTES} bytes`
      : pathFault(prefix);
  if (fault !== undefined) faults.push(`KILN_S3_PREFIX ${fault}`);
  return `${prefix}/`;
}

/** Without the slash at its end. Its value is not shown: a person may have written a password into it. */
function url(name: string, value: string, faults: string[]): string | null {
  if (value === '') return null;
  const parsed = URL.canParse(value) ? new URL(value) : null;
  const isPlain =
    parsed !== null &&
    /^https?:$/.test(parsed.protocol) &&
    [parsed.username, parsed.password, parsed.search, parsed.hash].every((part) => part === '');
  if (isPlain) return value.replace(/\/+$/, '');
  faults.push(`${name} is not an http or https address without user name, query and fragment`);
  return null;
}

function oneOf(env: Variables, name: keyof Variables, values: readonly string[], faults: string[]): string {
  const value = env[name];
  if (!values.includes(value)) {
    const choice = values.filter((one) => one !== '').join(' or ');
    faults.push(`${name} is ${value}; it may be ${choice}`);
  }
  return value;
}

function text(description: string) {
  return Type.String({ default: '', description });
}
