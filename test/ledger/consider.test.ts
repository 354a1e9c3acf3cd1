/** The ledger's one way, held by its text: what notes and rules does not act, and the next look is set in one place. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const folder = resolve(import.meta.dirname, '../../src/ledger');
const files = readdirSync(folder).map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }));
const usersOf = (pattern: RegExp) => files.flatMap(({ file, text }) => [...text.matchAll(pattern)].map(() => file));

const calls = (source: string, name: string) => source.match(new RegExp(`(?<!function )\\b${name}\\(`, 'g'))?.length ?? 0;

/** Of the ledger, those after which nothing of a decision is left to be worked out, or which put time on. */
const COMMANDS = [
  'again',
  'catchUp',
  'committed',
  'configure',
  'drain',
  'link',
  'programmed',
  'reachable',
  'setStore',
  'stored',
  'take',
  'tick',
  'unbind',
];

it('sets the next look at a record in one place', () => {
  expect(usersOf(/deadlines\.set\(/g)).toEqual(['consider.ts']);
});

it('rules, acts and schedules in one function, which every entry point calls', () => {
  const text = files.find(({ file }) => file === 'consider.ts')?.text ?? '';
  const [loop = ''] = /^export function consider\([^]*?^}$/m.exec(text) ?? [];
  for (const step of ['obey', 'doDue', 'point']) expect([step, calls(text, step), calls(loop, step)]).toEqual([step, 1, 1]);
  // At once, or when what the decision entails is worked out.
  expect([calls(text, 'schedule'), calls(loop, 'schedule')]).toEqual([2, 2]);
});

it('works out what follows from a decision in commands, never in an answer', () => {
  const text = files.find(({ file }) => file === 'ledger.ts')?.text ?? '';
  const methods = [...text.matchAll(/^ {2}(?:get )?(\w+)\([^]*?^ {2}}$/gm)].map(([body, name = '']) => ({ name, body }));
  const counting = methods.filter(({ body }) => /#book\.(?:catchUp|tell)\(|this\.tick\(/.test(body)).map(({ name }) => name);
  expect(counting.sort()).toEqual(COMMANDS);
});

it('lets nothing that notes or rules act by itself', () => {
  const users = usersOf(/from '\.\/(?:changes|measures)\.ts'/g);
  expect([...new Set(users)].sort()).toEqual(['changes.ts', 'consider.ts', 'facts.ts']);
});

it('lets nothing that acts come back to the loop', () => {
  expect(usersOf(/from '\.\/consider\.ts'/g)).toEqual(['facts.ts']);
  expect(usersOf(/from '\.\/facts\.ts'/g)).toEqual(['ledger.ts']);
});
