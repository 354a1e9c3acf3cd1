/**
 * Tests run in processes of their own (`forks`): they change the network namespace of their thread, map shared memory and start
 * worker threads. What needs compiled workers or the whole agent uses dist/, which native-fixtures/setup.sh keeps up to date.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Whole machines, minutes long: vitest.labs.config.ts.
    exclude: ['test/labs/**'],
    pool: 'forks',
    // Labs share the machine's few cores with each other: what starved once in CI is tried once more, and a fault fails twice.
    retry: process.env['CI'] === undefined ? 0 : 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ['default'],
    coverage: {
      provider: 'v8',
      include: ['src/decode/**', 'src/filter/**', 'src/ledger/**'],
      reporter: ['text-summary'],
      thresholds: { lines: 95 },
    },
  },
});
