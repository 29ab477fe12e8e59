/** `swap-child.ts FOLDER ROUNDS`: swaps the models below the folder in this process. */
import { argv, env } from 'node:process';
import { loadConfig } from '../../src/config.ts';
import { answerParent } from '../child.ts';
import { measureSwap } from './measure-swap.ts';

const [folder = '', rounds] = argv.slice(2);
const { threads, cpuProfile: profile } = loadConfig(env);
const options = { device: { kind: 'cpu' }, profile, threads } as const;
await answerParent(() => measureSwap({ folder, options, rounds: Number(rounds) }));
