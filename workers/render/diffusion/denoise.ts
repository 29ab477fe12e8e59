/**
 * Text to image, in the three moves of the batching engine: start a sample, take one step of a batch, decode.
 *
 * A batch is made anew for every UNet call, so its samples may differ in prompt, sampler, step, number of steps and
 * guidance; they share the model and the latent size. Whatever happens to one row never enters another, so a sample
 * gets the same bits in any company.
 */
import type { SamplerName } from '../../../src/contract/samplers.ts';
import type { RawImage } from '../image/raw-image.ts';
import type { LoadedModel } from './loaded-model.ts';
import { guide } from './guidance.ts';
import { withTextToImageRules } from './noise-schedule.ts';
import { toRgb } from './rgb.ts';
import { createSampler, ownSampler } from './samplers/create-sampler.ts';
import type { Sampler } from './samplers/sampler.ts';
import type { TextCache } from './text-cache.ts';
import { TorchRandom } from './torch-random.ts';

export interface SampleRequest {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** Pixels; multiples of the model's latent scale. */
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  /** Up to 1 there is no guidance: one row instead of two, and the negative prompt is not used. */
  readonly guidanceScale: number;
  /** 0 to 1; without guidance it changes nothing. */
  readonly guidanceRescale: number;
  /** How many of the text encoder's last layers to leave out. */
  readonly clipSkip: number;
  readonly seed: number;
  readonly sampler: SamplerName;
}

/** One image on its way. Only `stepBatch` changes it. */
export interface Sample {
  readonly request: SampleRequest;
  readonly latentSize: { readonly height: number; readonly width: number };
  readonly sampler: Sampler;
  readonly random: TorchRandom;
  /** One per UNet row, each `[77, crossAttentionDim]`: negative prompt and prompt, or the prompt alone. */
  readonly textRows: readonly Float32Array[];
  /** `[latentChannels, h, w]`. */
  latents: Float32Array;
  /** UNet calls done, of `sampler.calls`. */
  callsDone: number;
  /** Set once, by the step that failed; the sample is then out of the game. */
  failure: SampleFailure | null;
}

/** An outcome, not an exception: overflow in one sample is no fault of its neighbours. */
export interface SampleFailure {
  readonly code: 'not_finite';
  readonly stage: 'denoise' | 'decode';
  readonly message: string;
}

export type DecodeOutcome =
  | { readonly kind: 'image'; readonly image: RawImage }
  | { readonly kind: 'failure'; readonly failure: SampleFailure };

export function isDenoised(sample: Sample): boolean {
  return sample.callsDone === sample.sampler.calls;
}

/** Rejects, naming the value and the limit, when the request does not suit the model or its noise schedule. */
export async function startSample(
  model: LoadedModel,
  request: SampleRequest,
  texts: TextCache,
): Promise<Sample> {
  const { prompt, negativePrompt, guidanceScale } = request;
  const latentSize = latentSizeOf(model, request);

  // 1. How the noise will be taken away.
  const isOwnSampler = ownSampler(model.noiseSchedule) === request.sampler;
  const schedule = withTextToImageRules(model.noiseSchedule, isOwnSampler);
  const sampler = createSampler(request.sampler, schedule, { steps: request.steps });

  // 2. What to paint: text rows, in the order of the UNet's rows.
  const rowTexts = guidanceScale > 1 ? [negativePrompt, prompt] : [prompt];
  const textRows: Float32Array[] = [];
  for (const text of rowTexts) textRows.push(await texts.rows(model, text, request.clipSkip));

  // 3. The noise to start from: a generator per image, so that no image depends on another's draws.
  const random = new TorchRandom(request.seed);
  const noise = random.randn(model.latentChannels * latentSize.height * latentSize.width);
  const latents = noise.map((value) => value * sampler.initNoiseSigma);

  return { request, latentSize, sampler, random, textRows, latents, callsDone: 0, failure: null };
}

/**
 * One UNet call for all samples, and one sampler step for each. At least one sample, all of one model and latent
 * size, none denoised or failed. A sample whose numbers overflow gets its `failure` set; the others go on.
 * When the UNet call itself rejects (out of memory, say), no sample has changed: the batch may be tried again, smaller.
 */
export async function stepBatch(model: LoadedModel, samples: readonly Sample[]): Promise<void> {
  const { height, width } = commonSize(samples);
  const rows = samples.flatMap((sample) => sample.textRows.map((text) => ({ sample, text })));
  const latentCount = model.latentChannels * height * width;
  const textCount = rows[0]!.text.length;

  // 1. Gather one row per text row: scaled latents, timestep, text.
  const input = new Float32Array(rows.length * latentCount);
  const timesteps = new Float32Array(rows.length);
  const hiddenStates = new Float32Array(rows.length * textCount);
  for (const [row, { sample, text }] of rows.entries()) {
    const scale = sample.sampler.inputScale(sample.callsDone);
    const offset = row * latentCount;
    for (let i = 0; i < latentCount; i++) input[offset + i] = sample.latents[i]! * scale;
    timesteps[row] = sample.sampler.timestep(sample.callsDone);
    hiddenStates.set(text, row * textCount);
  }

  // 2. One call for all rows.
  const output = await model.predictNoise({
    rows: rows.length,
    height,
    width,
    sample: input,
    timesteps,
    hiddenStates,
    classLabels: null,
  });

  // 3. Per sample: guidance, then the sampler's step.
  let row = 0;
  for (const sample of samples) {
    const outputs = sample.textRows.map((_, i) =>
      output.slice((row + i) * latentCount, (row + i + 1) * latentCount),
    );
    row += outputs.length;
    advance(sample, guide(outputs, sample.request));
  }
}

/** Rejects when the decoder itself does; numbers that overflow in it are an outcome. */
export async function decodeSample(model: LoadedModel, sample: Sample): Promise<DecodeOutcome> {
  const planes = await decodePlanes(model, sample);
  if (planes.every(Number.isFinite)) return { kind: 'image', image: toRgb(planes, sample.request) };
  const message = 'The image decoder returned values that are not finite';
  return { kind: 'failure', failure: { code: 'not_finite', stage: 'decode', message } };
}

/** The decoder's own output, `[3, H, W]` in about -1..1. */
export function decodePlanes(model: LoadedModel, sample: Sample): Promise<Float32Array> {
  return model.decode(sample.latents, sample.latentSize.height, sample.latentSize.width);
}

function advance(sample: Sample, modelOutput: Float32Array): void {
  const call = sample.callsDone;
  if (!modelOutput.every(Number.isFinite)) {
    const message = `The UNet returned values that are not finite at call ${call + 1} of ${sample.sampler.calls}`;
    sample.failure = { code: 'not_finite', stage: 'denoise', message };
    return;
  }
  sample.latents = sample.sampler.step(call, sample.latents, modelOutput, sample.random);
  sample.callsDone = call + 1;
}

function latentSizeOf(model: LoadedModel, request: SampleRequest): Sample['latentSize'] {
  if (model.inChannels !== model.latentChannels) {
    throw new Error(
      `${model.name} takes ${model.inChannels} input channels; text to image needs ${model.latentChannels}`,
    );
  }
  for (const side of ['width', 'height'] as const) {
    if (request[side] < model.latentScale || request[side] % model.latentScale !== 0) {
      throw new RangeError(`The ${side} is ${request[side]}, but must be a multiple of ${model.latentScale}`);
    }
  }
  return { height: request.height / model.latentScale, width: request.width / model.latentScale };
}

/** Guards the contract of a batch: to mix sizes would silently shift every row. */
function commonSize(samples: readonly Sample[]): Sample['latentSize'] {
  const [first] = samples;
  if (first === undefined) throw new RangeError('A batch needs at least one sample');
  const { height, width } = first.latentSize;
  for (const { latentSize } of samples) {
    if (latentSize.height !== height || latentSize.width !== width) {
      throw new RangeError(
        `A batch of latents ${width} x ${height} cannot hold latents ${latentSize.width} x ${latentSize.height}`,
      );
    }
  }
  return first.latentSize;
}
