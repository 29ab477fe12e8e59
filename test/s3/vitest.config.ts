import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/s3/*.suite.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
