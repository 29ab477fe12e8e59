/**
 * Makes a checkout ready to run: packages, build, Redis. Runs before anything is installed, so it is plain
 * JavaScript on Node's own modules. Each step looks first and works only when something is missing.
 */
import { buildIfChanged } from './setup/build.mjs';
import { SetupError, createReport } from './setup/report.mjs';
import { installPackagesIfChanged } from './setup/packages.mjs';
import { checkPlatform } from './setup/platform.mjs';
import { findOrInstallRedis } from './setup/redis.mjs';

const report = createReport({ quiet: process.argv.includes('--quiet') });

try {
  checkPlatform(report);
  installPackagesIfChanged(report);
  buildIfChanged(report);
  findOrInstallRedis(report, process.env);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nsetup: ${error.message}`);
  process.exitCode = 1;
}
