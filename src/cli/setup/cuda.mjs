import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError, run } from './report.mjs';

const PACKAGE = join(ROOT, 'node_modules', 'onnxruntime-node');
/** The loader looks for providers only beside libonnxruntime. */
const FOLDER = join(PACKAGE, 'bin', 'napi-v6', 'linux', 'x64');
const PROVIDER = join(FOLDER, 'libonnxruntime_providers_cuda.so');
const SHARED = join(FOLDER, 'libonnxruntime_providers_shared.so');
/** Opened by name at run time, so ldd does not list it. Convolutions cannot do without. */
const CUDNN = 'libcudnn.so.9';
const RUNTIME =
  'onnxruntime 1.27 and newer is built for CUDA 13 and cuDNN 9. Install both (the cudnn-runtime ' +
  'images of nvidia/cuda 13 have them), or add their folder to LD_LIBRARY_PATH.';

/** Runs the package's own install script when the provider is absent, or `again` asks for it. */
export function fetchCudaProvider(report, { again }) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      `The CUDA provider is published for linux-x64 only, this is ${process.platform}-${process.arch}.`,
    );
  }
  if (!existsSync(PACKAGE))
    throw new SetupError('onnxruntime-node is not installed yet: run `npm run setup`.');
  if (!again && existsSync(PROVIDER) && existsSync(SHARED)) {
    report.ok('provider', PROVIDER);
    return;
  }
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  report.work('provider', `fetching the CUDA provider of onnxruntime ${version} (about 300 MB)`);
  run(process.execPath, [join(PACKAGE, 'script', 'install.js')], {
    // The script reads proxies under another name. 'cuda12' is the only key it knows, whatever CUDA it fetches.
    env: {
      GLOBAL_AGENT_HTTPS_PROXY: process.env.HTTPS_PROXY ?? process.env.https_proxy ?? '',
      ...process.env,
      ONNXRUNTIME_NODE_INSTALL: 'cuda12',
    },
    advice:
      `Without a network, take libonnxruntime_providers_cuda.so and libonnxruntime_providers_shared.so from the ` +
      `NuGet package Microsoft.ML.OnnxRuntime.Gpu.Linux ${version} (exactly this version) and put them into\n  ${FOLDER}`,
  });
  for (const file of [PROVIDER, SHARED]) {
    if (!existsSync(file)) throw new SetupError(`The install script ended well but left no ${file}.`);
  }
  report.work('provider', PROVIDER);
}

/** Throws a SetupError that names every shared library which the provider needs and the loader cannot find. */
export function checkCudaLibraries(report) {
  const { stdout, error } = spawnSync('ldd', [PROVIDER], { encoding: 'utf8' });
  if (error !== undefined) throw new SetupError(`ldd could not be run: ${error.message}`);
  const missing = stdout
    .split('\n')
    .filter((line) => line.includes('not found'))
    .map((line) => line.trim().split(' ')[0]);
  if (missing.length > 0) {
    throw new SetupError(
      `The CUDA provider needs libraries that are not here: ${missing.join(', ')}.\n${RUNTIME}`,
    );
  }
  report.ok('libraries', 'all found');
}

/**
 * Creates a real session on the CUDA provider, in a process of its own because a bad driver can abort it.
 * Throws a SetupError with onnxruntime's own words.
 */
export function probeCuda(report) {
  const probe = join(ROOT, 'src', 'cli', 'setup', 'cuda-probe.mjs');
  const { status, signal, stderr } = spawnSync(process.execPath, [probe], { encoding: 'utf8' });
  if (status !== 0) {
    const ending = signal === null ? `exit code ${status}` : `signal ${signal}`;
    throw new SetupError(
      `A session on the CUDA provider could not run (${ending}):\n${stderr.trim()}\n` +
        `Does \`nvidia-smi\` list a GPU, and can the loader find ${CUDNN}? ${RUNTIME}`,
    );
  }
  report.ok('session', 'ran on the GPU');
}
