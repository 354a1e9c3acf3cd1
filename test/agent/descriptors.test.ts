import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { descriptorsMissing } from '../../src/agent/descriptors.ts';

describe('descriptors', () => {
  it('are enough, or how many there should be is said', () => {
    expect(descriptorsMissing(1000, 4096)).toBeNull();
    expect(descriptorsMissing(1000, 1024)).toBe(
      '1000 ports take up to 3128 file descriptors, and this process may have 1024: raise LimitNOFILE= of its unit, or ulimit -n',
    );
  });

  it.runIf(process.getuid?.() === 0)('are asked for before anything is touched (needs root)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'havip-descriptors-'));
    try {
      const file = join(folder, 'havip.yaml');
      writeFileSync(file, 'host: { id: h }\nvswitch: { driver: memory }\n');
      const run = (limit: number) =>
        spawnSync('bash', ['-c', `ulimit -n ${limit}; exec "$0" dist/src/start.cjs run --config "$1"`, process.execPath, file], {
          encoding: 'utf8',
          timeout: 20_000,
        });
      expect(run(100)).toMatchObject({
        status: 3,
        stderr: expect.stringMatching(
          /^havip-agent: 0 ports take up to 128 file descriptors, and this process may have 100: /,
        ) as string,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
