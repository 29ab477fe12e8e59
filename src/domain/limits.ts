const KiB = 1_024;
const MiB = 1_024 * KiB;

/** Of an image inside a request. Larger ones are uploaded first, or fetched from an address. */
const INLINE_IMAGE_BYTES = 12 * MiB;
/** As base64, and what a `data:` URL puts in front. */
const INLINE_IMAGE_CHARS = Math.ceil(INLINE_IMAGE_BYTES / 3) * 4 + 64;
/** The largest request within the other limits but for its images, every character escaped, has 208 kB. */
const BODY_BYTES = 256 * KiB;

/** Every bound on what a caller may ask for, in one place. The API's schema and the messages both read it. */
export const LIMITS = {
  /** Unicode code points. CLIP reads 75 tokens; the rest of a long prompt is ignored, as in diffusers. */
  promptChars: 4_000,
  modelChars: 128,
  sideMin: 64,
  sideMax: 1_024,
  /** The f8 VAE and the UNet work on cells of 8 x 8 pixels. */
  sideMultiple: 8,
  stepsMax: 150,
  guidanceScaleMax: 50,
  /** Of the 23 layers of Stable Diffusion 2's text encoder one must stay; that of 1.x has 12. */
  clipSkipMax: 22,
  /** Seeds travel as JSON numbers, so they must be exact doubles. */
  seedMax: Number.MAX_SAFE_INTEGER,
  imagesMax: 8,
  cropPaddingMax: 256,
  /** Of the published x4 upscaler; its schedule has no more levels that it was trained on. */
  noiseLevelMax: 350,
  /** Sides of the image that is to be enlarged. */
  upscaleSideMin: 16,
  upscaleSideMax: 1_024,
  inlineImageBytes: INLINE_IMAGE_BYTES,
  inlineImageChars: INLINE_IMAGE_CHARS,
  metadataKeys: 16,
  metadataKeyChars: 64,
  metadataValueChars: 512,
  webhookUrlChars: 2_048,
  latentsNameChars: 80,
  idempotencyKeyChars: 255,
  waitSecondsMax: 60,
  pageMax: 200,
  pageDefault: 50,
  bodyBytes: BODY_BYTES,
  /** A job has at most two images inside: the one to work on, and its mask or depth map. */
  submitBytes: BODY_BYTES + 2 * INLINE_IMAGE_CHARS,
} as const;
