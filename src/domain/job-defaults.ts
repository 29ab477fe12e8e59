/** What a request means when it leaves something out. The schema shows these and `toJobParams` fills them in. */
export const JOB_DEFAULTS = {
  negativePrompt: '',
  steps: 20,
  guidanceScale: 7.5,
  guidanceRescale: 0,
  clipSkip: 0,
  eta: 0,
  sampler: 'dpmpp_2m',
  images: 1,
  priority: 'normal',
  format: 'png',
  quality: 90,
  returnDepthMap: false,
  overlay: false,
  preview: { every: 5, kind: 'fast' },
  webhookEvents: ['completed', 'failed', 'cancelled'],
} as const;

/** The whole area under the mask is painted anew; the others keep the composition of their image. */
export const STRENGTH_DEFAULTS = { img2img: 0.8, depth: 0.8, inpaint: 1 } as const;

/** For the kind `upscale` and for the second stage of `txt2img` alike; the values of the published x4 upscaler. */
export const UPSCALE_DEFAULTS = {
  prompt: '',
  steps: 50,
  guidanceScale: 9,
  noiseLevel: 20,
  sampler: 'ddim',
} as const;
