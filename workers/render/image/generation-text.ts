/**
 * The settings of an image as one text, in the form that A1111's web UI writes and most viewers and galleries read:
 * the prompt, a line with the negative prompt, a line of `Name: value` pairs.
 */
import type { SamplerName } from '../../../src/contract/samplers.ts';
import type { JobParams, UpscaleStage } from '../../../src/domain/job.ts';

const SAMPLER_TITLES: Readonly<Record<SamplerName, string>> = {
  ddim: 'DDIM',
  euler: 'Euler',
  euler_a: 'Euler a',
  pndm: 'PLMS',
  dpmpp_2m: 'DPM++ 2M',
  dpmpp_2m_karras: 'DPM++ 2M Karras',
  dpmpp_2m_sde: 'DPM++ 2M SDE',
  unipc: 'UniPC',
  lcm: 'LCM',
  ddpm: 'DDPM',
};

/** The seed is that of one of the job's images. */
export function generationText(params: JobParams, seed: number): string {
  const settings = [
    // To the web UI text to image goes without saying.
    ...(params.kind === 'txt2img' ? [] : [`Kind: ${params.kind}`]),
    `Steps: ${params.steps}`,
    `Sampler: ${SAMPLER_TITLES[params.sampler]}`,
    ...(params.eta === 0 ? [] : [`Eta DDIM: ${params.eta}`]),
    `CFG scale: ${params.guidanceScale}`,
    ...(params.guidanceRescale === 0 ? [] : [`CFG Rescale: ${params.guidanceRescale}`]),
    `Seed: ${seed}`,
    `Size: ${params.width}x${params.height}`,
    `Model: ${params.model}`,
    ...kindSettings(params),
    // The web UI counts the layer it stops at, so its 1 is to skip none, and goes unsaid.
    ...(params.clipSkip === 0 ? [] : [`Clip skip: ${params.clipSkip + 1}`]),
    'Version: Kiln',
  ];
  const negative = params.negativePrompt === '' ? [] : [`Negative prompt: ${params.negativePrompt}`];
  return [params.prompt, ...negative, settings.join(', ')].join('\n');
}

/** In the web UI's words where it has some. */
function kindSettings(params: JobParams): string[] {
  switch (params.kind) {
    case 'txt2img':
      return params.upscale === null ? [] : stageSettings(params.upscale);
    case 'img2img':
    case 'depth':
      return [`Denoising strength: ${params.strength}`];
    case 'inpaint':
      return [
        `Denoising strength: ${params.strength}`,
        ...(params.overlay ? ['Mask overlay: true'] : []),
        ...(params.cropPadding === null
          ? []
          : ['Inpaint area: Only masked', `Masked area padding: ${params.cropPadding}`]),
      ];
    case 'upscale':
      return [`Noise level: ${params.noiseLevel}`];
  }
}

function stageSettings(stage: UpscaleStage): string[] {
  return [
    'Hires upscale: 4',
    `Hires upscaler: ${stage.model}`,
    `Hires steps: ${stage.steps}`,
    `Hires sampler: ${SAMPLER_TITLES[stage.sampler]}`,
    `Hires CFG Scale: ${stage.guidanceScale}`,
    `Noise level: ${stage.noiseLevel}`,
  ];
}
