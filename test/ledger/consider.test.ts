/** The ledger's one way, held by its text: what notes and rules does not act, and the next look is set in one place. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const folder = resolve(import.meta.dirname, '../../src/ledger');
const files = readdirSync(folder).map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }));
const usersOf = (pattern: RegExp) => files.flatMap(({ file, text }) => [...text.matchAll(pattern)].map(() => file));

it('sets the next look at a record in one place', () => {
  expect(usersOf(/deadlines\.set\(/g)).toEqual(['consider.ts']);
});

it('lets nothing that notes or rules act by itself', () => {
  const users = usersOf(/from '\.\/(?:changes|measures)\.ts'/g);
  expect([...new Set(users)].sort()).toEqual(['changes.ts', 'consider.ts']);
});

it('lets nothing that acts come back to the loop', () => {
  expect(usersOf(/from '\.\/consider\.ts'/g)).toEqual(['ledger.ts']);
});
