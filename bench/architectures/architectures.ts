/**
 * The networks of Stable Diffusion at full size with random weights, on the CPU: how long each takes to load, what
 * private memory it costs, and how fast it computes, against a large matrix product measured around each run.
 * One network after another is written to the temporary folder, at most 3.5 GB at once. About six minutes on two
 * cores.
 */
import type { Config } from '../../src/config.ts';
import { inChild } from '../child.ts';
import type { BenchResult, Figure } from '../report.ts';
import { median } from '../stats.ts';
import { inWeightsFolder } from '../weights-folder.ts';
import { Measured } from './measure-network.ts';
import { NETWORK_NAMES } from './networks.ts';

const ROUNDS = 3;
const NEEDED_BYTES = 4e9;
const MB = 1e6;

export async function architecturesBench(
  { threads, cpuProfile }: Config,
  rounds = ROUNDS,
): Promise<BenchResult> {
  const ceilings: number[] = [];
  const figures: Figure[] = [];
  for (const name of NETWORK_NAMES) {
    const measured = await measure(name, rounds);
    ceilings.push(...measured.ceilings);
    figures.push(...measured.figures.map((figure) => ({ ...figure, name: `${name}: ${figure.name}` })));
  }
  return {
    bench: 'architectures',
    about: `full-size networks, random fp32 weights, on the CPU with ${threads} threads, profile ${cpuProfile}; loaded from the page cache, medians of ${rounds} rounds, operations counted over the graph`,
    figures: [{ name: 'matrix product', value: median(ceilings), unit: 'GFLOP/s' }, ...figures],
  };
}

async function measure(name: string, rounds: number): Promise<Pick<Measured, 'figures' | 'ceilings'>> {
  const { answer, peak } = await inWeightsFolder(NEEDED_BYTES, (folder) =>
    inChild('architectures/network-child.ts', [name, folder, String(rounds)], Measured),
  );
  const { figures, ceilings, before } = answer;
  // Some 50 MB of it are the matrix product's, where a network takes less.
  if (peak === 0) return answer;
  return {
    ceilings,
    figures: [...figures, { name: 'private memory, peak', value: (peak - before) / MB, unit: 'MB' }],
  };
}
