/** What providers document of themselves, so that settings can be short. `kiln doctor s3` tells what is true of one. */

export interface S3Preset {
  /** Null: there is none for everyone; AWS's follows from the region, elsewhere it must be set. */
  readonly endpoint: string | null;
  readonly needsEndpoint: boolean;
  /** Null: there is none for everyone; AWS's may come from its environment, elsewhere it must be set. */
  readonly region: string | null;
  readonly needsRegion: boolean;
  /** `https://host/bucket/key`, and not `https://bucket.host/key`. */
  readonly forcePathStyle: boolean;
  /** Takes `x-amz-copy-source-if-match`, without which a touch can meet a put of other bytes under the same key. */
  readonly hasConditionalCopy: boolean;
}

/** Of an own address, with path style and a region that nobody looks at. */
const OWN_ADDRESS: S3Preset = {
  endpoint: null,
  needsEndpoint: true,
  region: 'us-east-1',
  needsRegion: false,
  forcePathStyle: true,
  hasConditionalCopy: true,
};

export const S3_PRESETS = {
  aws: { ...OWN_ADDRESS, needsEndpoint: false, region: null, forcePathStyle: false },
  /** https://<account>.r2.cloudflarestorage.com */
  r2: { ...OWN_ADDRESS, region: 'auto' },
  /** https://s3.<region>.backblazeb2.com, and signed for that region. Its documentation knows no conditional copy. */
  b2: { ...OWN_ADDRESS, region: null, needsRegion: true, hasConditionalCopy: false },
  /** Interoperability, with HMAC keys. */
  gcs: {
    ...OWN_ADDRESS,
    endpoint: 'https://storage.googleapis.com',
    needsEndpoint: false,
    region: 'auto',
  },
  /** Also for Garage, SeaweedFS, RustFS and others of their kind. */
  minio: OWN_ADDRESS,
  ceph: OWN_ADDRESS,
} as const satisfies Record<string, S3Preset>;

export type S3PresetName = keyof typeof S3_PRESETS;

export function isS3PresetName(name: string): name is S3PresetName {
  return Object.hasOwn(S3_PRESETS, name);
}
