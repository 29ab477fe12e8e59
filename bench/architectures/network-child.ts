/** `network-child.ts NAME FOLDER ROUNDS`: measures one network in this process alone. */
import { argv, env } from 'node:process';
import { loadConfig } from '../../src/config.ts';
import { answerParent } from '../child.ts';
import { measureNetwork } from './measure-network.ts';
import { fullSizeNetwork } from './networks.ts';

const [name = '', folder = '', rounds] = argv.slice(2);
const { threads, cpuProfile: profile } = loadConfig(env);
const options = { device: { kind: 'cpu' }, profile, threads } as const;
await answerParent(() => measureNetwork(fullSizeNetwork(name), { options, folder, rounds: Number(rounds) }));
