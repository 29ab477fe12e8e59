/** Free memory of the device, now. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Device } from '../../../src/domain/batch-limits.ts';

const MiB = 1024 * 1024;

/** Bytes. On CPU what the process may still take, within its container's limit; on CUDA what the driver reports. */
export function freeMemory(device: Device): Promise<number> {
  return device === 'cpu' ? Promise.resolve(process.availableMemory()) : freeCudaMemory();
}

/** Of several visible GPUs the fullest counts: the driver's numbering need not be that of CUDA. */
async function freeCudaMemory(): Promise<number> {
  const query = ['--query-gpu=memory.free', '--format=csv,noheader,nounits'];
  const { stdout } = await promisify(execFile)('nvidia-smi', query);
  const free = stdout.trim().split('\n').map(Number);
  if (free.some((mebibytes) => !Number.isFinite(mebibytes))) {
    throw new Error(`nvidia-smi reports no free memory: ${stdout.trim()}`);
  }
  return Math.min(...free) * MiB;
}
