import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('every bench has its place in docs/figures.md, with machine, day and commit', () => {
  const benches = [...readFileSync('bench/main.ts', 'utf8').matchAll(/^ {2}\['(\w+)', \(\) => import/gm)].map(([, name]) => name);
  expect(benches.length).toBeGreaterThan(10);
  const sections = readFileSync('docs/figures.md', 'utf8').split(/^### /m).slice(1);
  const bodies = new Map(sections.map((section) => [section.split('\n', 1)[0], section]));
  for (const name of benches)
    expect(bodies.get(name), name).toMatch(/^Measured: .*\b[0-9a-f]{7}, \d{4}-\d\d-\d\d|[Nn]ot measured/m);
});
