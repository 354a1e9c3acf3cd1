/** Each check finds what it is there for, in sources made up for it, and says nothing where all is well. */
import { describe, expect, it } from 'vitest';
import {
  arrowsIn,
  circles,
  climbing,
  dangling,
  deadExports,
  deadFiles,
  longestWay,
  oversize,
  type Room,
  tableIn,
  tableOf,
  TABLE_BEGIN,
  TABLE_END,
  untold,
  wrongDoors,
} from './checks.ts';
import { arrowsOf, commentsOf, exportsOf, functionsOf, headOf, startedBy } from './source.ts';

const exists = (path: string) => ['docs/here.md', 'src/a/limits.json', 'src/a/c.ts'].includes(path);
const long = (lines: number) => `export function f() {\n${'  x();\n'.repeat(lines - 2)}}\n`;
const tree = (files: Readonly<Record<string, string>>) => new Map(Object.entries(files));

describe('what is read of a source', () => {
  it('imports of every kind, and none out of a comment', () => {
    const text = `
      // import { no } from './no.ts';
      /* await import('./neither.ts') */
import { a, type B, c as d } from './x.ts';
import type {
  E,
  F as G,
} from '../base/y.ts';
import * as all from './z.ts';
import './effect.ts';
import { Piscina } from 'piscina';
import read from '@scope/name/part.js';
export { h } from './passed.ts';
const { run } = await import('./late.ts');`;
    expect(arrowsOf('src/here/me.ts', text)).toEqual([
      { from: 'src/here/me.ts', to: 'src/here/x.ts', names: ['a', 'B', 'c'] },
      { from: 'src/here/me.ts', to: 'src/base/y.ts', names: ['E', 'F'] },
      { from: 'src/here/me.ts', to: 'src/here/z.ts', names: null },
      { from: 'src/here/me.ts', to: 'src/here/effect.ts', names: [] },
      { from: 'src/here/me.ts', to: 'piscina', names: ['Piscina'] },
      { from: 'src/here/me.ts', to: '@scope/name', names: null },
      { from: 'src/here/me.ts', to: 'src/here/passed.ts', names: ['h'] },
      { from: 'src/here/me.ts', to: 'src/here/late.ts', names: null },
    ]);
  });

  it('modules that are started by their compiled names', () => {
    expect(
      startedBy('src/a/b.ts', "new URL('./worker.js', x); '../../dist/src/a/worker.js'; join(root, 'dist/bench/main.js')"),
    ).toEqual(['src/a/worker.ts', 'src/a/worker.cts', 'src/a/worker.ts', 'src/a/worker.cts', 'bench/main.ts', 'bench/main.cts']);
  });

  it('exports', () => {
    const text =
      'export const a = 1;\nexport async function b() {}\nexport class C {}\nexport interface D {}\nexport type E = 1;\nconst f = 1;\nexport { f as g };\nexport type { H } from "./h.ts";\n';
    expect(exportsOf(text)).toEqual([
      { name: 'a', isType: false },
      { name: 'b', isType: false },
      { name: 'C', isType: false },
      { name: 'D', isType: true },
      { name: 'E', isType: true },
      { name: 'g', isType: false },
    ]);
  });

  it('functions, methods and named arrows with their lengths, and no call', () => {
    const text = `export function one(a: number): void {
  run(() => {
    more();
  });
  expect(a).toEqual({
    b: 1,
  });
}

class X {
  #two(
    a: number,
  ): number {
    if (a) {
      return 1;
    }
  }

  static async three<T>(): Promise<void> {
  }
}

const four = (a: number): number => {
  return a;
};
const five = async (
  a: number,
) => {
  await a;
};
const six = { a: 1 };
`;
    expect(functionsOf(text)).toEqual([
      { name: 'one', line: 1, lines: 8 },
      { name: '#two', line: 11, lines: 7 },
      { name: 'three', line: 19, lines: 2 },
      { name: 'four', line: 23, lines: 3 },
      { name: 'five', line: 26, lines: 5 },
    ]);
  });

  it('comments, but no address of a page, and the one that a file begins with', () => {
    expect(commentsOf("const a = 'http://x/y.md'; // see z.md\n/* and w.md */")).toBe('// see z.md\n/* and w.md */');
    expect(headOf('#!/usr/bin/env node\n/**\n * A story.\n */\n')).toBe('A story.');
    expect(headOf('const a = 1; /** late */')).toBe('');
  });
});

describe('a check', () => {
  it('of order finds an import of a later folder and of a file of src/ itself', () => {
    const arrows = arrowsIn(
      tree({
        'src/main.ts': "import './late/a.ts';",
        'src/early/a.ts': "import '../early/b.ts';\nimport '../late/a.ts';\nimport '../main.ts';\nimport '../new/a.ts';",
        'src/late/a.ts': "import '../early/a.ts';\nimport 'koffi';",
        'test/x.test.ts': "import '../src/late/a.ts';",
      }),
    );
    expect(climbing(arrows, ['early', 'late', 'new'])).toEqual([
      'src/early/a.ts -> src/late/a.ts',
      'src/early/a.ts -> src/main.ts',
      'src/early/a.ts -> src/new/a.ts',
    ]);
  });

  it('of floors finds the longest way from folder to folder, and none outside src/ or inside a folder', () => {
    const arrows = arrowsIn(
      tree({
        'src/start.cts': "void import('./main.ts');",
        'src/main.ts': "import './top/a.ts';\nimport './ground/a.ts';",
        'src/top/a.ts': "import './b.ts';",
        'src/top/b.ts': "import type { A } from '../middle/a.ts';\nimport '../ground/a.ts';",
        'src/middle/a.ts': "import './b.ts';\nimport '../ground/a.ts';",
        'src/ground/a.ts': "import 'koffi';",
        'test/x.test.ts': "import '../src/start.cts';",
      }),
    );
    expect(longestWay(arrows)).toEqual(['src/start.cts', 'src/main.ts', 'top', 'middle', 'ground']);
  });

  it('of circles finds one of two files, one of three, and one by types alone', () => {
    const arrows = arrowsIn(
      tree({
        'src/a.ts': "import './b.ts';\nimport './leaf.ts';",
        'src/b.ts': "import type { A } from './a.ts';",
        'src/c.ts': "import './d.ts';",
        'src/d.ts': "await import('./e.ts');",
        'src/e.ts': "import './c.ts';\nimport './a.ts';",
        'src/leaf.ts': '',
      }),
    );
    expect(circles(arrows).sort()).toEqual(['src/a.ts src/b.ts', 'src/c.ts src/d.ts src/e.ts']);
  });

  it('of doors finds a second user, a door that is none any more, and a package without one', () => {
    const files = tree({
      'src/a.ts': "import koffi from 'koffi';",
      'src/b.ts': "require('koffi')",
      'src/c.ts': "// 'koffi'",
      'src/d.ts': "import 'left-pad';",
    });
    expect(wrongDoors(files, { koffi: ['src/a.ts'], pino: ['src/a.ts'] }, ['koffi', 'pino', 'left-pad', 'unused'])).toEqual([
      'src/b.ts names koffi, whose door is src/a.ts',
      'src/a.ts is no door to pino any more',
      'left-pad has no door, and is named by src/d.ts',
    ]);
  });

  it('of exports finds what nobody takes, and what tests alone take', () => {
    const files = tree({
      'src/a.ts':
        'export const used = 1;\nexport const tested = 1;\nexport const dead = 1;\nexport interface Given {}\nexport function give(): Given {}\nexport type Lost = 1;',
      'src/b.ts': "import { used, give as g } from './a.ts';\nconst dead = 2;",
      'src/c.ts': 'export const spread = 1;\nexport const hidden = 1;',
      'src/d.ts': "import * as c from './c.ts';\nc.spread;",
      'test/a.test.ts':
        "import { tested, used } from '../src/a.ts';\nimport { kit, none } from './kit.ts';\nimport { frame } from '../native-fixtures/f.ts';",
      'test/kit.ts': 'export const kit = 1;',
      'native-fixtures/f.ts': 'export const frame = 1;\nexport const nobody = 1;',
    });
    expect(deadExports(files)).toEqual([
      'src/a.ts: tested (tests alone)',
      'src/a.ts: dead',
      'src/a.ts: Lost',
      'src/c.ts: hidden',
      'native-fixtures/f.ts: nobody',
    ]);
  });

  it('of files finds what nobody reaches, and knows what is started', () => {
    const files = tree({
      'src/start.cts': "void import('./main.ts');",
      'src/main.ts': "import './crew.ts';",
      'src/crew.ts': "new URL('./worker.js', import.meta.url);",
      'src/worker.ts': '',
      'src/old.ts': "import './older.ts';",
      'src/older.ts': '',
    });
    expect(deadFiles(files, ['src/start.cts'])).toEqual(['src/old.ts', 'src/older.ts']);
  });

  it('of sizes finds what is too long, and a limit that may come down', () => {
    expect(oversize(tree({ 'src/a.ts': long(50), 'src/b.ts': long(48) }), { file: 49, function: 49 })).toEqual([
      'src/a.ts: 50 lines, at most 49',
      'src/a.ts:1 f: 50 lines, at most 49',
    ]);
    expect(oversize(tree({ 'src/a.ts': long(50) }), { file: 50, function: 50 })).toEqual([]);
    expect(oversize(tree({ 'src/a.ts': long(50) }), { file: 500, function: 51 })).toEqual([
      'the longest file has 50 lines now: lower the limit of 500',
      'the longest function has 50 lines now: lower the limit of 51',
    ]);
  });

  it('of stories finds a first file without one, with a short one, and with one of itself alone', () => {
    const words = 'word '.repeat(30);
    const files = tree({
      'src/told/a.ts': `/**\n * ${words}\n * b.ts does this, sub/ that.\n */`,
      'src/told/b.ts': '',
      'src/told/sub/c.ts': '',
      'src/mute/a.ts': 'const a = 1;',
      'src/short/a.ts': '/** b.ts and c.ts. */',
      'src/short/b.ts': '',
      'src/short/c.ts': '',
      'src/alone/a.ts': `/** ${words} a.ts, and xb.ts of others */`,
      'src/alone/b.ts': '',
    });
    const rooms = ['told', 'mute', 'short', 'alone', 'gone'].map((folder): Room => ({ folder, first: 'a.ts', what: '' }));
    expect(untold(files, rooms).map((line) => line.split(':')[0])).toEqual([
      'src/mute/a.ts',
      'src/short/a.ts',
      'src/alone/a.ts',
      'src/gone/a.ts',
    ]);
  });

  it('of citations finds a document that is not here, and a file that has moved', () => {
    const files = tree({
      'src/a/b.ts': '/** See docs/here.md, docs/gone.md, c.ts, ../a/c.ts, old.ts, limits.json beside. 10.0.0.1.c */',
      'src/a/c.ts': "const text = 'nowhere.md';",
    });
    expect(dangling(files, tree({ 'README.md': 'gone.sh' }), exists)).toEqual([
      'src/a/b.ts: docs/gone.md',
      'src/a/b.ts: old.ts',
      'README.md: gone.sh',
    ]);
  });

  it('of the table in the README finds one that is not there, and one that is another', () => {
    const rooms: Room[] = [{ folder: 'a', first: 'a.ts', what: 'all' }];
    expect(tableIn('# no table')).toBeNull();
    expect(tableIn(`${TABLE_BEGIN}\n\n${tableOf(rooms)}\n\n${TABLE_END}`)).toBe(tableOf(rooms));
    expect(tableIn(`${TABLE_BEGIN}\n| a/ | some | a.ts |\n${TABLE_END}`)).not.toBe(tableOf(rooms));
  });
});
