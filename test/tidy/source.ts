/**
 * TypeScript source as text: what a file imports and exports, how long its functions are, what its comments cite. No parser: oxfmt has
 * laid every file out alike, and what is read here wrongly shows in the tests of the checks.
 */
import { dirname, join, normalize } from 'node:path';

/** Path from the project's root -> text. */
export type Tree = ReadonlyMap<string, string>;

export interface Arrow {
  readonly from: string;
  /** A file of the project by its path, or the name of a package. */
  readonly to: string;
  /** Names that are taken; null: any, for the whole module is. */
  readonly names: readonly string[] | null;
}

const STATIC = /^(?:import|export)\s+(?:type\s+)?([^'"]*?)\s*from\s+'([^']+)'|^import\s+'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;
/** Modules that are started rather than imported: workers, children, benches. */
const STARTED = /['"`/]((?:\.{1,2}\/|dist\/)[\w./-]+)\.c?js['"`]/g;

export function arrowsOf(path: string, text: string): Arrow[] {
  const code = withoutComments(text);
  const found: Arrow[] = [];
  for (const [, clause = '', from, bare] of code.matchAll(STATIC)) {
    found.push({ from: path, to: target(path, from ?? bare ?? ''), names: namesIn(clause) });
  }
  for (const [, to = ''] of code.matchAll(DYNAMIC)) found.push({ from: path, to: target(path, to), names: null });
  return found;
}

/** Files that this one starts by their compiled names. */
export function startedBy(path: string, text: string): string[] {
  return [...withoutComments(text).matchAll(STARTED)].flatMap(([, name = '']) => {
    const compiled = name.startsWith('.') ? normalize(join(dirname(path), name)) : name;
    const source = compiled.replace(/^(?:\.\.\/)*dist\//, '').replace(/^.*\/dist\//, '');
    return [`${source}.ts`, `${source}.cts`];
  });
}

/** `import type { A, B as C }`: A and B. A namespace or a default takes everything. */
function namesIn(clause: string): readonly string[] | null {
  const braces = /\{([^}]*)\}/.exec(clause);
  if (braces === null) return clause.trim() === '' ? [] : null;
  return (braces[1] ?? '')
    .split(',')
    .map(
      (part) =>
        part
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)[0] ?? '',
    )
    .filter((name) => name !== '');
}

function target(from: string, to: string): string {
  return to.startsWith('.') ? normalize(join(dirname(from), to)) : to.replace(/^(@[^/]+\/[^/]+|[^/]+).*/, '$1');
}

const EXPORTED = /^export (?:declare )?(?:async )?(?:abstract )?(const|let|function\*?|class|interface|type|enum) (\w+)/gm;
const LISTED = /^export (?:type )?\{([^}]*)\}(?! from)/gm;

export interface Exported {
  readonly name: string;
  readonly isType: boolean;
}

/** Names that a file gives to others; what it only passes on is not its own. */
export function exportsOf(text: string): Exported[] {
  const code = withoutComments(text);
  const declared = [...code.matchAll(EXPORTED)].map(([, kind, name = '']) => ({
    name,
    isType: kind === 'interface' || kind === 'type',
  }));
  const listed = [...code.matchAll(LISTED)].flatMap(([, names = '']) =>
    names
      .split(',')
      .map(
        (part) =>
          part
            .trim()
            .split(/\s+as\s+/)
            .at(-1) ?? '',
      )
      .filter((name) => name !== '')
      .map((name) => ({ name, isType: false })),
  );
  return [...declared, ...listed];
}

const MODIFIERS = String.raw`(?:(?:export|default|static|override|private|get|set|async) )*`;
/** A function, a method or an arrow with a name, up to the bracket that opens its parameters. */
const FUNCTION_HEAD = new RegExp(
  String.raw`^\s*${MODIFIERS}(?:function\*? ?([#\w]*)|(?:const|let) (\w+)(?:: .+?)? = (?:async )?(?=\(|\w+ =>)|\*?([#\w]+))(?:<.*?>)?(?:\(|\w+ =>)`,
);
const NOT_FUNCTION = /^\s*(?:if|for|while|switch|catch|return|else|do|try|await|new)\b/;

export interface Span {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Functions and methods with their lengths in lines: from the head to the brace of the same indentation. */
export function functionsOf(text: string): Span[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const match = NOT_FUNCTION.test(line) ? null : FUNCTION_HEAD.exec(line);
    if (match === null) return [];
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const closes = (end: string) => end.startsWith(`${indent})`);
    const open = line.endsWith('(') ? lines.findIndex((one, at) => at > i && closes(one)) : i;
    // A call has no brace of its own: `expect(x).toEqual({`, `run(() => {`.
    if (
      !/^(?:.*\)(?:: .+)?|.* =>) \{$/.test(lines[open] ?? '') ||
      (match[3] !== undefined && lines[open]?.endsWith(' => {') === true)
    )
      return [];
    const end = lines.findIndex((one, at) => at > open && one.startsWith(`${indent}}`));
    return [{ name: match[1] || match[2] || match[3] || 'function', line: i + 1, lines: end - i + 1 }];
  });
}

/** The text of comments, line by line as in the file. */
export function commentsOf(text: string): string {
  return [...text.matchAll(/\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/.*/g)].map(([comment]) => comment).join('\n');
}

/** The comment with which a file begins; '' when it begins with something else. */
export function headOf(text: string): string {
  return (
    /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//
      .exec(text)?.[1]
      ?.replaceAll(/^\s*\*/gm, '')
      .trim() ?? ''
  );
}

export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/.*/g, '');
}
