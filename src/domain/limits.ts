/** Every bound on what a caller may ask for, in one place. The API's schema and the messages both read it. */
export const LIMITS = {
  /** Unicode code points. CLIP reads 75 tokens; the rest of a long prompt is ignored, as in diffusers. */
  promptChars: 4_000,
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
  metadataKeys: 16,
  metadataKeyChars: 64,
  metadataValueChars: 512,
  idempotencyKeyChars: 255,
  waitSecondsMax: 60,
  pageMax: 200,
  pageDefault: 50,
  /** The largest request within the other limits, every character escaped, has 208 kB. */
  bodyBytes: 256 * 1024,
} as const;
