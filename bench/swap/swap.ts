/**
 * What a worker pays when the next job wants another model: loads and releases of Stable Diffusion 2.1 at full size,
 * fp32 mapped from its files and fp16 widened while it loads, with cold and warm files; then swaps on a shelf with
 * room for one. Writes 11.2 GB of random weights into the temporary folder and takes 9 GB of memory. About five
 * minutes on two cores.
 *
 * Weights that are mapped cost nothing until they are used, so a load is reported together with what the first use
 * of the networks took longer than a later one. Cold means that this kernel had dropped the files; what a disk or a
 * hypervisor keeps of them is beyond its reach.
 */
import { Type } from 'typebox';
import type { Config } from '../../src/config.ts';
import { SD2_TEXT, SD2_UNET, SD_VAE } from '../../test/support/stable-diffusion.ts';
import { inChild } from '../child.ts';
import { Figure, type BenchResult } from '../report.ts';
import { inWeightsFolder } from '../weights-folder.ts';
import { writeSwapModels } from './swap-models.ts';

const ROUNDS = 3;
const NEEDED_DISK = 12e9;
const NEEDED_MEMORY = 9e9;
const FULL_SIZE = { text_encoder: SD2_TEXT, unet: SD2_UNET, vae: SD_VAE };

export async function swapBench(
  { threads, cpuProfile }: Config,
  { rounds = ROUNDS, configs = FULL_SIZE } = {},
): Promise<BenchResult> {
  const free = process.availableMemory();
  if (free < NEEDED_MEMORY)
    throw new Error(
      `${(free / 1e9).toFixed(1)} GB of memory are free, the bench needs ${NEEDED_MEMORY / 1e9} GB`,
    );
  const { answer: figures, peak } = await inWeightsFolder(NEEDED_DISK, async (folder) => {
    await writeSwapModels(folder, configs);
    return inChild('swap/swap-child.ts', [folder, String(rounds)], Type.Array(Figure));
  });
  return {
    bench: 'swap',
    about: `Stable Diffusion 2.1 at full size, random weights, on the CPU with ${threads} threads, profile ${cpuProfile}; on a shelf with room for one model, medians of ${rounds} rounds`,
    figures: [...figures, { name: 'private memory of the process, peak', value: peak / 1e6, unit: 'MB' }],
  };
}
