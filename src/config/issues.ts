/**
 * Runs the shape check and says its findings in a person's words. Main thread.
 */
import type { z } from 'zod';
import { must } from '../base/assert.ts';
import type { Draft } from './cross.ts';
import { formatPath, type Path } from './path.ts';
import { echoed } from './echo.ts';
import { SHAPE } from './shape.ts';
import type { Shape } from './shape.ts';

type Issue = z.core.$ZodIssue;
/** `atKey`: the key itself is the mistake, not its value. */
type Report = (path: Path, message: string, atKey?: boolean) => void;

/** `shape` is null when something was reported; `draft` is what is left of the file without the values that were. */
export function checkShape(value: unknown, report: Report): { shape: Shape | null; draft: Draft<Shape> } {
  if (value === null || value === undefined) {
    report([], 'the file is empty; it needs at least `host: { id: NAME }`');
    return { shape: null, draft: {} };
  }
  const result = SHAPE.safeParse(value);
  if (result.success) return { shape: result.data, draft: result.data };
  const draft = { root: structuredClone(value) };
  for (const issue of result.error.issues) {
    const path = issue.path.filter((step) => typeof step !== 'symbol');
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) report([...path, key], unknownKey(key, path, valueAt(value, path)), true);
    } else {
      report(path, explain(issue, valueAt(value, path)));
      prune(draft, ['root', ...path]);
    }
  }
  const root: unknown = draft.root;
  return { shape: null, draft: typeof root === 'object' && root !== null && !Array.isArray(root) ? root : {} };
}

const WANTED: Readonly<Record<string, string>> = {
  string: 'text; put it in quotes',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a mapping of keys to values',
};

/** `members[0]: must be text; put it in quotes, not 7`, of a value of another shape than a configuration. */
export function explainIssue(issue: Issue, value: unknown): string {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const at = path.length === 0 ? '' : `${formatPath(path)}: `;
  if (issue.code === 'unrecognized_keys') return `${at}there is no "${issue.keys.join('", "')}"`;
  return `${at}${explain(issue, valueAt(value, path))}`;
}

function explain(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined)
        return `is missing; give ${WANTED[issue.expected]?.replace('; put it in quotes', '') ?? issue.expected}`;
      return `must be ${WANTED[issue.expected] ?? issue.expected}, not ${describe(value)}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}, not ${describe(value)}`;
    case 'too_big':
      if (Array.isArray(value)) return `has ${value.length} entries; at most ${issue.maximum} are allowed`;
      return `must be at most ${issue.maximum}, not ${describe(value)}`;
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}, not ${describe(value)}`;
    case 'invalid_union':
      return `${unionOf(issue)}, not ${describe(value)}`;
    default:
      return issue.message;
  }
}

/** The names by which the members of a union are told apart; of one without such names the shape says it itself. */
function unionOf(issue: z.core.$ZodIssueInvalidUnion): string {
  const names = ('options' in issue ? issue.options : []).filter((name) => name !== undefined);
  return names.length === 0 ? issue.message : `must be ${names.map(String).join(' or ')}`;
}

function describe(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return echoed(JSON.stringify(value));
}

function unknownKey(key: string, path: Path, value: unknown): string {
  const { schema, others } = schemaAt(path, value);
  const owner = others.find(({ shape = {} }) => key in shape);
  if (owner !== undefined) return `belongs to ${nameOf(owner)}, not to ${nameOf(schema)}, which has no ${key}; leave it out`;
  const known = Object.keys(schema.shape ?? {});
  const ranked = known.map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }));
  const [best] = ranked.sort((a, b) => a.distance - b.distance);
  const near = best !== undefined && best.distance <= Math.max(1, Math.floor(key.length / 3));
  return `unknown key "${key}"; ${near ? `did you mean "${best.name}"?` : `known here: ${known.join(', ')}`}`;
}

interface Schema {
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly element?: unknown;
  readonly options?: readonly Schema[];
  readonly def?: { readonly innerType?: unknown; readonly discriminator?: string; readonly values?: readonly unknown[] };
}

/** What the shape knows at a path; of a union, the member that the value chose, and the others. */
function schemaAt(path: Path, value: unknown): { readonly schema: Schema; readonly others: readonly Schema[] } {
  let schema = bare(SHAPE);
  for (const step of path) schema = bare(typeof step === 'number' ? schema.element : schema.shape?.[step]);
  const { options = [], def } = schema;
  if (options.length === 0) return { schema, others: [] };
  const name = valueAt(value, [def?.discriminator ?? '']);
  const chosen =
    options.find((option) => name !== undefined && nameOf(option) === name) ?? must(options[0], 'a union has members');
  return { schema: chosen, others: options.filter((option) => option !== chosen) };
}

/** The value of the key by which a member of a union is told from the others. */
function nameOf({ shape = {} }: Schema): string {
  return String(bare(shape['driver']).def?.values?.[0]);
}

/** Without the wrappers that make it optional or give a default. */
function bare(schema: unknown): Schema {
  let inner = schema;
  while (isSchema(inner) && inner.def?.innerType !== undefined) inner = inner.def.innerType;
  return isSchema(inner) ? inner : {};
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null;
}

function valueAt(value: unknown, path: Path): unknown {
  let inner = value;
  for (const step of path) inner = typeof inner === 'object' && inner !== null ? Reflect.get(inner, step) : undefined;
  return inner;
}

function prune(root: unknown, path: Path): void {
  const parent = valueAt(root, path.slice(0, -1));
  const last = path.at(-1);
  if (typeof parent !== 'object' || parent === null || last === undefined) return;
  // A list keeps its length, so that the places of the others stay what they are.
  Reflect.set(parent, last, undefined);
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
