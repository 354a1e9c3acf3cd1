/**
 * Configuration text to plain value, and back from paths in that value to lines of the text. Main thread.
 *
 * JSON that is right never meets the YAML library, which keeps a node per value to know its place: 10 MB of JSON with 100,000
 * HAVIPs are read in 0.17 s here, in 7 s there.
 */
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import { messageOf } from '../base/failure.ts';
import { locateInJson, scanJson } from './json.ts';
import type { Spans, WantedPath } from './json.ts';

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Source {
  readonly value: unknown;
  /** What keeps the text from being read at all: the first thing only, since what a parser says behind it is mostly noise. */
  readonly error: { readonly message: string; readonly at: Place; readonly excerpt: string } | null;
  /** Where each VPC stands in the text; null when it is not JSON. */
  readonly vpcs: Spans | null;
  /** Where each path stands, or the nearest thing around it that exists. */
  locate(paths: readonly WantedPath[]): Place[];
}

/** Deeper nesting is nobody's configuration, and readers that recurse would run out of stack. */
const DEPTH_MAX = 64;

/** The YAML library takes 1 s and 80 MB for each MiB. JSON of 64 MiB is read in the time of 2 MiB of YAML. */
const YAML_MOST = 2 * 1024 * 1024;

export function readText(text: string): Source {
  const json = readJson(text);
  if (json !== null) return json;
  if (text.length > YAML_MOST) return tooLarge(text);
  return nesting(text) > DEPTH_MAX ? tooDeep(text) : readYaml(text);
}

/** A large file that begins like JSON was meant to be JSON: then its mistake is said, where JSON.parse found one. */
function tooLarge(text: string): Source {
  const much = `YAML of more than ${YAML_MOST / 1024 / 1024} MiB takes too long to read; write it as JSON`;
  if (!/^\s*\{/.test(text)) return unreadable(text, much, 0);
  try {
    JSON.parse(text);
  } catch (error) {
    return unreadable(text, `this is no JSON: ${oneLine(messageOf(error))}`, placeOfJson(text, messageOf(error)));
  }
  return unreadable(text, 'an object has a key twice', 0);
}

/** V8 says the position, or quotes what stands around it: ten characters on either side. */
function placeOfJson(text: string, message: string): number {
  const [, position] = /position (\d+)/.exec(message) ?? [];
  if (position !== undefined) return Number(position);
  const [, quoted] = /, \.\.\.(".*)\.\.\. is not valid JSON$/s.exec(message) ?? [];
  const around = quoted === undefined ? -1 : text.indexOf(quoted.slice(1, -1));
  return around < 0 ? text.length : around + QUOTED_BEFORE;
}

const QUOTED_BEFORE = 10;

/** The fast way; null when the text is not JSON, or has a key twice, which JSON.parse would pass over in silence. */
export function readJson(text: string): Source | null {
  if (!/^\s*\{/.test(text)) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // The YAML reader says what is wrong, and where.
  }
  const { depth, keys, vpcs } = scanJson(text);
  if (depth > DEPTH_MAX) return tooDeep(text);
  if (countKeys(value) !== keys) return null;
  return {
    value,
    error: null,
    vpcs,
    locate(paths) {
      const lines = new LineCounter();
      for (let start = 0; start >= 0; start = text.indexOf('\n', start) + 1 || -1) lines.addNewLine(start);
      return locateInJson(text, paths).map((offset) => placeOf(lines, offset));
    },
  };
}

function tooDeep(text: string): Source {
  return unreadable(text, `brackets are nested more than ${DEPTH_MAX} deep`, 0);
}

/** @param offset of the mistake in the text */
function unreadable(text: string, message: string, offset: number): Source {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(start, end < 0 ? text.length : end);
  let number = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < start; at = text.indexOf('\n', at + 1)) number++;
  const at = { line: number, column: offset - start + 1 };
  return { value: null, error: { message, at, excerpt: excerptOf(line, offset - start) }, vpcs: null, locate: () => [] };
}

const EXCERPT_MOST = 100;

/** The part of a line around a mistake, with a caret below it. Tabs stay, so that the caret stands where the eye looks for it. */
function excerptOf(line: string, column: number): string {
  const from = Math.max(0, Math.min(column - EXCERPT_MOST / 2, line.length - EXCERPT_MOST));
  const shown = line.slice(from, from + EXCERPT_MOST);
  return `${shown}\n${shown.slice(0, column - from).replaceAll(/[^\t]/g, ' ')}^`;
}

/** Where the library's own words are for programmers. */
const YAML_WORDS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second YAML document begins here; a configuration is one: merge them and remove this line',
};

function readYaml(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [first] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (first !== undefined) return unreadable(text, YAML_WORDS[first.code] ?? oneLine(first.message), first.pos[0]);
  try {
    // A key with nothing behind it (`ports:`, its list commented out) is a key left out.
    const value: unknown = document.toJS({ reviver: (_key, inner: unknown) => (inner === null ? undefined : inner) });
    const locate = (paths: readonly WantedPath[]) => paths.map((wanted) => placeOf(lines, offsetInYaml(document, wanted)));
    return { value, error: null, vpcs: null, locate };
  } catch (error) {
    return unreadable(text, oneLine(messageOf(error)), 0);
  }
}

function placeOf(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function offsetInYaml(document: Document, { path, atKey }: WantedPath): number {
  let node: Node | null | undefined = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      const keyOnly = (atKey && depth === path.length - 1) || !isNode(pair?.value);
      next = keyOnly ? pair?.key : pair?.value;
    } else if (isSeq(node) && typeof step === 'number') next = node.items[step];
    if (!isNode(next)) break;
    node = next;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, ' ');
}

/** for-in makes no list of each object's values: 100,000 HAVIPs in a third of the time. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += countKeys(item);
  else for (const key in value) count += 1 + countKeys(value[key as never]);
  return count;
}

/** The deepest that flow brackets nest, strings not told apart: right for what is sane, and enough to refuse what is not. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}
