/** `npm run test:labs`: whole machines, one after the other. Each skips with a word where something is missing. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/labs/**/*.test.ts'],
    pool: 'forks',
    retry: process.env['CI'] === undefined ? 0 : 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    teardownTimeout: 10_000,
    reporters: ['verbose'],
  },
});
