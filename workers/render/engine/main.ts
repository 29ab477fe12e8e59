/**
 * The engine child: owns the device. It lives exactly as long as its supervisor: the channel closes when that dies,
 * however it dies, and the device is free again.
 */
import { env } from 'node:process';
import { loadConfig } from '../../../src/config.ts';
import { createLogger } from '../../../src/log.ts';
import { TextCache } from '../diffusion/text-cache.ts';
import { BatchSizes } from './batch-sizes.ts';
import { EngineLoop } from './engine-loop.ts';
import { freeMemory } from './free-memory.ts';
import { ModelShelf } from './model-shelf.ts';
import { parseCommand, type EngineEvent } from './protocol.ts';

const MiB = 1024 * 1024;

const config = loadConfig(env);
const log = createLogger('engine', config.logLevel);
