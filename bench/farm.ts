/**
 * Farm efficiency: what is left of the bare engine's rate when every image comes in over HTTP, through Redis, out
 * of an engine process, into the store and into a record. Farm and bare loop take turns on the same machine with
 * the same model, batch size and work.
 *
 * The loss is the product of three quotients, which the figures name: how full the batches were, what share of the
 * time a UNet call was running, and how fast a call was while the other processes ran beside it.
 */
import type { CreateJob } from '../src/contract/create-job.ts';
import { engineSteps, jobOf } from '../test/support/engine-log.ts';
import { startFarm, type Farm } from '../test/support/farm.ts';
import { createJob } from '../test/support/kiln-client.ts';
import { BareEngine } from './engine/bare-engine.ts';
import type { BenchResult, Figure } from './report.ts';
import { median } from './stats.ts';

const ROUNDS = 3;
const IMAGES = 32;
const BATCH_SIZE = 8;
/** Each waits for its image before it asks for the next; enough of them that a full batch is always there. */
const CALLERS = 2 * BATCH_SIZE;
const WAIT_SECONDS = 60;

const PROMPT = 'a large red sphere left of a small blue cube at sunset';
const NEGATIVE_PROMPT = 'night';
const COMMON = { width: 128, height: 128, steps: 20, sampler: 'dpmpp_2m' } as const;
const GUIDANCE = 4;

interface Round {
  readonly imagesPerSecond: number;
  readonly averageBatch: number;
  /** Share of the time in which a UNet call ran. */
  readonly busyShare: number;
  /** Samples advanced by one step in a second of UNet calls. */
  readonly samplesPerBusySecond: number;
}

export async function farmBench(): Promise<BenchResult> {
  const env = { KILN_LOG_LEVEL: 'debug', KILN_MAX_BATCH_SIZE: String(BATCH_SIZE) };
  const farm = await startFarm({ env });
  const bare = await BareEngine.open(farm.config);
  try {
    const farmRounds: Round[] = [];
    const bareRounds: Round[] = [];
    // The first images load the model and fill the caches of both.
    await farmRound(farm, BATCH_SIZE);
    await bareRound(bare, BATCH_SIZE);
    for (let round = 0; round < ROUNDS; round += 1) {
      farmRounds.push(await farmRound(farm, IMAGES));
      bareRounds.push(await bareRound(bare, IMAGES));
    }
    return toResult(farmRounds, bareRounds);
  } finally {
    await bare.close();
    await farm.stop();
  }
}

async function farmRound(farm: Farm, images: number): Promise<Round> {
  const job = { kind: 'txt2img', prompt: PROMPT, negative_prompt: NEGATIVE_PROMPT, ...COMMON } as const;
  const seeds = Array.from({ length: images }, (_, seed) => seed);
  const ids = new Set<string>();
  const caller = async (): Promise<void> => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      ids.add(await renderOne(farm.url, { ...job, guidance_scale: GUIDANCE, seed }));
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const spanMs = performance.now() - startedAt;
  const steps = engineSteps(farm).filter(({ samples }) => samples.some((sample) => ids.has(jobOf(sample))));
  return toRound(
    images,
    spanMs,
    steps.map(({ ms, samples }) => ({ ms, samples: samples.length })),
  );
}

async function renderOne(url: string, job: CreateJob): Promise<string> {
  const { id, state } = await createJob(url, job, WAIT_SECONDS);
  if (state !== 'succeeded') throw new Error(`job ${id} is ${state} after ${WAIT_SECONDS} s`);
  return id;
}

async function bareRound(bare: BareEngine, images: number): Promise<Round> {
  const request = {
    kind: 'txt2img' as const,
    prompt: PROMPT,
    negativePrompt: NEGATIVE_PROMPT,
    guidanceScale: GUIDANCE,
    guidanceRescale: 0,
    clipSkip: 0,
    eta: 0,
    ...COMMON,
  };
  const requests = Array.from({ length: images }, (_, seed) => ({ ...request, seed }));
  const startedAt = performance.now();
  const steps = await bare.render(requests, BATCH_SIZE);
  return toRound(images, performance.now() - startedAt, steps);
}

function toRound(
  images: number,
  spanMs: number,
  steps: ReadonlyArray<{ ms: number; samples: number }>,
): Round {
  const busyMs = steps.reduce((sum, step) => sum + step.ms, 0);
  const sampleSteps = steps.reduce((sum, step) => sum + step.samples, 0);
  return {
    imagesPerSecond: images / (spanMs / 1_000),
    averageBatch: sampleSteps / steps.length,
    busyShare: busyMs / spanMs,
    samplesPerBusySecond: sampleSteps / (busyMs / 1_000),
  };
}

function toResult(farm: readonly Round[], bare: readonly Round[]): BenchResult {
  const quotient = (name: string, of: (round: Round) => number): Figure => ({
    name,
    value: median(farm.map(of)) / median(bare.map(of)),
    unit: 'ratio',
  });
  return {
    bench: 'farm',
    about: `${IMAGES} images of 128 x 128, 20 steps, batches of ${BATCH_SIZE}: through the farm against the bare engine loop, medians of ${ROUNDS} alternating rounds`,
    figures: [
      { name: 'farm', value: median(farm.map((round) => round.imagesPerSecond)), unit: 'images/s' },
      {
        name: 'bare engine loop',
        value: median(bare.map((round) => round.imagesPerSecond)),
        unit: 'images/s',
      },
      quotient('farm / bare', (round) => round.imagesPerSecond),
      quotient('of which: speed of the UNet calls', (round) => round.samplesPerBusySecond),
      quotient('of which: share of the time in UNet calls', (round) => round.busyShare),
      {
        name: 'samples in a call, farm',
        value: median(farm.map((round) => round.averageBatch)),
        unit: 'samples',
      },
      {
        name: 'samples in a call, bare',
        value: median(bare.map((round) => round.averageBatch)),
        unit: 'samples',
      },
    ],
  };
}
