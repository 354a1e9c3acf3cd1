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
  /** What keeps the text from being read at all. */
  readonly errors: readonly { readonly message: string; readonly at: Place }[];
  /** Where each VPC stands in the text; null when it is not JSON. */
  readonly vpcs: Spans | null;
  /** Where each path stands, or the nearest thing around it that exists. */
  locate(paths: readonly WantedPath[]): Place[];
}

/** Deeper nesting is nobody's configuration, and readers that recurse would run out of stack. */
const DEPTH_MAX = 64;

export function readText(text: string): Source {
  return readJson(text) ?? (nesting(text) > DEPTH_MAX ? tooDeep() : readYaml(text));
}

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
  if (depth > DEPTH_MAX) return tooDeep();
  if (countKeys(value) !== keys) return null;
  return {
    value,
    errors: [],
    vpcs,
    locate(paths) {
      const lines = new LineCounter();
      for (let start = 0; start >= 0; start = text.indexOf('\n', start) + 1 || -1) lines.addNewLine(start);
      return locateInJson(text, paths).map((offset) => placeOf(lines, offset));
    },
  };
}

function tooDeep(): Source {
  const errors = [{ message: `brackets are nested more than ${DEPTH_MAX} deep`, at: { line: 1, column: 1 } }];
  return { value: null, errors, vpcs: null, locate: () => [] };
}

function readYaml(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const errors = [...document.errors, ...document.warnings].map((error) => ({
    message: oneLine(error.message),
    at: placeOf(lines, error.pos[0]),
  }));
  let value: unknown = null;
  if (errors.length === 0) {
    try {
      // A key with nothing behind it (`ports:`, its list commented out) is a key left out.
      value = document.toJS({ reviver: (_key, inner: unknown) => (inner === null ? undefined : inner) });
    } catch (error) {
      errors.push({ message: oneLine(messageOf(error)), at: placeOf(lines, 0) });
    }
  }
  return { value, errors, vpcs: null, locate: (paths) => paths.map((wanted) => placeOf(lines, offsetInYaml(document, wanted))) };
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
