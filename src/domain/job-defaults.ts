/** What a request means when it leaves something out. The schema shows these and `toJobParams` fills them in. */
export const JOB_DEFAULTS = {
  negativePrompt: '',
  steps: 20,
  guidanceScale: 7.5,
  guidanceRescale: 0,
  clipSkip: 0,
  sampler: 'dpmpp_2m',
  images: 1,
  priority: 'normal',
  format: 'png',
  quality: 90,
} as const;
