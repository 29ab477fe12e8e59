/** Memory of the device and of this process, now. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Device } from '../../../src/domain/batch-limits.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes. On CPU what the process may still take, within its container's limit; on CUDA what the driver reports. */
export function freeMemory(device: Device): Promise<number> {
  return device === 'cpu' ? Promise.resolve(process.availableMemory()) : queryCuda('memory.free');
}

/** Bytes, of which some may be in use. On CPU the machine's, or the container's limit where that is lower. */
export function totalMemory(device: Device): Promise<number> {
  if (device === 'cuda') return queryCuda('memory.total');
  // 0 or a number beyond all memory where there is no limit.
  const limit = process.constrainedMemory();
  return Promise.resolve(limit > 0 ? Math.min(limit, totalmem()) : totalmem());
}

/**
 * Bytes that the process holds for itself alone, so without weights that are mapped from their files: those the system
 * takes back when it needs to. Where the system does not tell, all that the process has in memory.
 */
export function privateMemory(): number {
  try {
    const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * KiB;
  } catch {
    // Not Linux.
  }
  return process.memoryUsage.rss();
}

/** Of several visible GPUs the fullest counts: the driver's numbering need not be that of CUDA. */
async function queryCuda(field: 'memory.free' | 'memory.total'): Promise<number> {
  const query = [`--query-gpu=${field}`, '--format=csv,noheader,nounits'];
  const { stdout } = await promisify(execFile)('nvidia-smi', query);
  const amounts = stdout.trim().split('\n').map(Number);
  if (amounts.some((mebibytes) => !Number.isFinite(mebibytes))) {
    throw new Error(`nvidia-smi reports no ${field}: ${stdout.trim()}`);
  }
  return Math.min(...amounts) * MiB;
}
