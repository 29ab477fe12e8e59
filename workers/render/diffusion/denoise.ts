/**
 * All kinds of job, in the three moves of the batching engine: start a sample, take one step of a batch, decode.
 *
 * A batch is made anew for every UNet call, so its samples may differ in kind, prompt, sampler, step, number of steps
 * and guidance; they share the model and the latent size. Whatever happens to one row never enters another, so a
 * sample gets the same bits in any company.
 */
import type { RawImage, Size } from '../image/raw-image.ts';
import type { LoadedModel } from './loaded-model.ts';
import { guide } from './guidance.ts';
import { withPipelineRules } from './noise-schedule.ts';
import type { Start } from './pipelines/preparation.ts';
import { prepare } from './pipelines/prepare.ts';
import { toRgb } from './rgb.ts';
import type { SampleRequest } from './sample-request.ts';
import { createSampler, ownSampler } from './samplers/create-sampler.ts';
import type { Sampler } from './samplers/sampler.ts';
import { enterSpan, WHOLE, type Checkpoint, type Span } from './span.ts';
import type { TextCache } from './text-cache.ts';
import { TorchRandom } from './torch-random.ts';

/** One image on its way. Only `stepBatch` changes it. */
export interface Sample extends Start {
  readonly request: SampleRequest;
  readonly latentSize: Size;
  readonly sampler: Sampler;
  readonly random: TorchRandom;
  /** One per UNet row, each `[77, crossAttentionDim]`: negative prompt and prompt, or the prompt alone. */
  readonly textRows: readonly Float32Array[];
  latents: Float32Array;
  /** Where its span begins and ends. */
  readonly firstCall: number;
  readonly lastCall: number;
  /** UNet calls done, those before its span included. */
  callsDone: number;
  /** What the newest call saw and said: from these follows the clean image it had in view. Null before the first. */
  newest: SeenCall | null;
  /**
   * Set by the call that failed, which has changed nothing else: the sample is out of the game, or, with this set
   * back to null, ready to make the same call again.
   */
  failure: SampleFailure | null;
}

/** One call of a sample, in tensors that nobody writes to any more. */
interface SeenCall {
  readonly call: number;
  readonly latents: Float32Array;
  /** Guided. */
  readonly output: Float32Array;
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
  return sample.callsDone === sample.lastCall;
}

/** Where the sample is now: another one of the same request goes on from here as this one would. */
export function checkpointOf({ latents, callsDone, sampler, random }: Sample): Checkpoint {
  return { latents, callsDone, memory: sampler.memory(), random: random.state };
}

/**
 * A sample that is denoised when its span ends. Rejects, naming the field, the value and the limit, when the request
 * does not suit the model, its schedule or the span.
 */
export async function startSample(
  model: LoadedModel,
  request: SampleRequest,
  texts: TextCache,
  span: Span = WHOLE,
): Promise<Sample> {
  const { prompt, negativePrompt, guidanceScale } = request;
  const latentSize = latentSizeOf(model, request);

  // 1. How the noise will be taken away.
  const sampler = samplerFor(model, request);

  // 2. What to paint: text rows, in the order of the UNet's rows.
  const rowTexts = guidanceScale > 1 ? [negativePrompt, prompt] : [prompt];
  const textRows: Float32Array[] = [];
  for (const text of rowTexts) textRows.push(await texts.rows(model, text, request.clipSkip));

  // 3. What to start from: a generator per image, so that no image depends on another's draws.
  const random = new TorchRandom(request.seed);
  const start = await prepare({ model, request, latentSize, sampler, random });
  refuseOtherChannels(model, request, start);

  // 4. Where to begin and to stop.
  const part = enterSpan({ sampler, random, latents: start.latents }, span);
  const state = { callsDone: part.firstCall, newest: null, failure: null };
  return { ...start, ...part, ...state, request, latentSize, sampler, random, textRows };
}

/**
 * One UNet call for all samples, and one sampler step for each. At least one sample, all of one model and latent
 * size, none denoised or failed. A sample whose numbers overflow gets its `failure` set; the others go on.
 * When the UNet call itself rejects (out of memory, say), no sample has changed: the batch may be tried again, smaller.
 */
export async function stepBatch(model: LoadedModel, samples: readonly Sample[]): Promise<void> {
  const { height, width } = commonSize(samples);
  const area = height * width;
  const latentCount = model.latentChannels * area;
  const inputCount = model.inChannels * area;
  const rows = samples.flatMap((sample) => sample.textRows.map((text) => ({ sample, text })));
  const textCount = rows[0]!.text.length;

  // 1. Gather one row per text row: scaled latents and what else the UNet sees, timestep, text.
  const input = new Float32Array(rows.length * inputCount);
  const timesteps = new Float32Array(rows.length);
  const hiddenStates = new Float32Array(rows.length * textCount);
  for (const [row, { sample, text }] of rows.entries()) {
    const scale = sample.sampler.inputScale(sample.callsDone);
    const offset = row * inputCount;
    for (let i = 0; i < latentCount; i++) input[offset + i] = sample.latents[i]! * scale;
    if (sample.extraChannels !== null) input.set(sample.extraChannels, offset + latentCount);
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
    classLabels: classLabelsOf(rows.map(({ sample }) => sample)),
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
  if (planes.every(Number.isFinite)) {
    const picture = toRgb(planes, sample.request);
    return { kind: 'image', image: sample.finish === null ? picture : sample.finish(picture) };
  }
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
  sample.newest = { call, latents: sample.latents, output: modelOutput };
  const latents = sample.sampler.step(call, sample.latents, modelOutput, sample.random);
  sample.latents = sample.blend === null ? latents : sample.blend(call, latents);
  sample.callsDone = call + 1;
}

function latentSizeOf(model: LoadedModel, request: SampleRequest): Size {
  if (!model.kinds.includes(request.kind)) {
    throw new RangeError(`${model.name} cannot do ${request.kind}, only ${model.kinds.join(', ')}`);
  }
  for (const side of ['width', 'height'] as const) {
    if (request[side] < model.latentScale || request[side] % model.latentScale !== 0) {
      throw new RangeError(`The ${side} is ${request[side]}, but must be a multiple of ${model.latentScale}`);
    }
  }
  return { height: request.height / model.latentScale, width: request.width / model.latentScale };
}

function samplerFor(model: LoadedModel, request: SampleRequest): Sampler {
  const { kind, sampler: name, steps, eta } = request;
  const isOwnSampler = ownSampler(model.noiseSchedule) === name;
  const schedule = withPipelineRules(model.noiseSchedule, kind, isOwnSampler);
  const strength = 'strength' in request ? request.strength : 1;
  return createSampler(name, schedule, { steps, strength, eta });
}

/** Guards the rows of a batch: with more or fewer channels than the UNet has, each row would shift the next. */
function refuseOtherChannels(model: LoadedModel, { kind }: SampleRequest, start: Start): void {
  const area = start.latents.length / model.latentChannels;
  const channels = model.latentChannels + (start.extraChannels?.length ?? 0) / area;
  if (channels === model.inChannels) return;
  throw new Error(`${model.name} takes ${model.inChannels} input channels; ${kind} gives ${channels}`);
}

/** `[B]`, or null for UNets without class embeddings: of one UNet, all samples have a label or none has. */
function classLabelsOf(samples: readonly Sample[]): Int32Array | null {
  const labels = samples.map(({ classLabel }) => classLabel).filter((label) => label !== null);
  return labels.length === 0 ? null : Int32Array.from(labels);
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
