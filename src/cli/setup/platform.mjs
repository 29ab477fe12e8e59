import { SetupError } from './report.mjs';

/** The oldest Node that `package.json` declares. */
const NODE = [20, 19];
/** What libonnxruntime 1.30 asks of the C library, read from its dynamic symbols. */
const GLIBC = [2, 28];
/** The platforms for which onnxruntime-node carries a binary, without Windows (no Redis server there). */
const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-arm64'];

/** Throws a SetupError when Node, the platform or the C library cannot run Kiln. */
export function checkPlatform(report) {
  const node = process.versions.node;
  if (isOlder(node, NODE)) {
    throw new SetupError(
      `Kiln needs Node ${NODE.join('.')} or newer, this is ${node}. See https://nodejs.org`,
    );
  }
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform)) {
    throw new SetupError(
      `Kiln runs on ${PLATFORMS.join(', ')}, this is ${platform}: onnxruntime and Redis come for no others.` +
        (process.platform === 'win32' ? ' Use WSL 2 (`wsl --install`) and run it there.' : ''),
    );
  }
  if (process.platform === 'linux') checkGlibc();
  report.ok('node', `${node} on ${platform}`);
}

function checkGlibc() {
  process.report.excludeNetwork = true;
  const { glibcVersionRuntime: glibc } = process.report.getReport().header;
  const needed = GLIBC.join('.');
  if (glibc === undefined) {
    throw new SetupError(
      `onnxruntime is built for glibc, and this system has another C library (Alpine has musl).\n` +
        `Use a Debian, Ubuntu or Fedora system or image, for example node:24-slim in place of node:24-alpine.`,
    );
  }
  if (isOlder(glibc, GLIBC)) {
    throw new SetupError(`onnxruntime needs glibc ${needed} or newer, this system has ${glibc}.`);
  }
}

/** @param {string} version as in '20.19.5'  @param {number[]} least major and minor */
function isOlder(version, [leastMajor, leastMinor]) {
  const [major, minor] = version.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
