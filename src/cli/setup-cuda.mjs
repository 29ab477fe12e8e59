/**
 * Fetches onnxruntime's CUDA provider, which npm does not carry, and proves that this machine can use it:
 * an installation that is only nearly right must fail here, not at the first job. `npm run setup:cuda`.
 * With --no-probe it stops before a GPU is needed: an image is built on a machine without one.
 */
import { checkCudaLibraries, fetchCudaProvider, probeCuda } from './setup/cuda.mjs';
import { SetupError, createReport } from './setup/report.mjs';

const report = createReport({ quiet: false });

try {
  fetchCudaProvider(report, { again: process.argv.includes('--again') });
  checkCudaLibraries(report);
  if (process.argv.includes('--no-probe')) {
    report.ok('cuda', 'installed; not tried on a GPU');
  } else {
    probeCuda(report);
    report.ok('cuda', 'works; start workers with KILN_DEVICE=cuda');
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nsetup:cuda: ${error.message}`);
  process.exitCode = 1;
}
