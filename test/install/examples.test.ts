/** Each file in examples/ is a configuration that `check` finds right, and so are those that documents show. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { command as check } from '../../src/cli/check.ts';
import { runCommand } from '../cli/io.ts';

const examples = join(projectRoot(), 'examples');

it.each(readdirSync(examples))('examples/%s', async (file) => {
  const path = join(examples, file);
  expect(await runCommand(check, path)).toEqual({
    exitCode: 0,
    stdout: expect.stringContaining(': right. ') as unknown,
    stderr: '',
  });
});

it('the README shows the smallest one', () => {
  const rules = readFileSync(join(examples, 'smallest.yaml'), 'utf8').replaceAll(/^#.*\n/gm, '');
  expect(readFileSync(join(projectRoot(), 'README.md'), 'utf8')).toContain(`\`\`\`yaml\n${rules}\`\`\``);
});

it.each(['README.md', 'docs/operating.md'])('what %s shows of a configuration', async (document) => {
  const folder = mkdtempSync(join(tmpdir(), 'havip-examples-'));
  try {
    const blocks = readFileSync(join(projectRoot(), document), 'utf8').matchAll(/^```yaml\n(host:.*?)^```$/gms);
    const shown = [...blocks].map(([, text = '']) => text);
    expect(shown.length).toBeGreaterThan(0);
    for (const text of shown) {
      const file = join(folder, 'shown.yaml');
      writeFileSync(file, text);
      expect(await runCommand(check, file)).toMatchObject({ exitCode: 0, stderr: '' });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
