/**
 * Ports and HAVIPs in files of their own beside the configuration file: `ports.d/*.yaml` and `havips.d/*.yaml`, which hooks write and
 * remove (JSON is YAML). Any thread, pure.
 *
 *     ports.d/cvm-1.yaml     ports: [{ interface: tap7, instance: cvm-1, subnet: subnet-a, mac: ..., addresses: [...] }]
 *     havips.d/web.yaml      vpc: vpc-1
 *                            havips: [{ id: web, subnet: subnet-a, address: 172.17.16.9 }]
 *
 * The answer is that of one file in which all of it stands, but for files that are wrong by themselves or do not fit to the main file and
 * those before them, by name: those are refused, each alone.
 */
import { must } from '../base/assert.ts';
import { checkValue, placed, type Found, type Mistake, type Parsed } from './config.ts';
import type { DriverCheck } from './cross.ts';
import type { Path } from './path.ts';
import { readText, type Source } from './text.ts';

export interface DropIn {
  readonly path: string;
  readonly kind: 'ports' | 'havips';
  /** null: it cannot be read, and why. */
  readonly text: string | null;
  readonly trouble: string | null;
}

export interface Together {
  readonly parsed: Parsed;
  /** Of drop-ins that are refused. */
  readonly refused: readonly Mistake[];
  /** Of those that are taken, by name, ports' first. */
  readonly shares: readonly Share[];
}

/** How much of a list a drop-in has added: behind what the main file has, and what those before it have. */
export interface Share {
  readonly path: string;
  readonly list: 'ports' | number;
  readonly count: number;
}

export interface Fragment {
  readonly path: string;
  readonly source: Source;
  /** What it adds, and to what: `ports`, or the HAVIPs of the VPC of this index. */
  readonly items: readonly unknown[];
  readonly list: 'ports' | number;
}

export function parseTogether(source: Source, path: string, check: DriverCheck | null, dropIns: readonly DropIn[]): Together {
  const alone = source.error === null ? checkValue(source.value, check) : null;
  const refused: Mistake[] = [];
  if (alone === null || alone.config === null) return { parsed: placed(source, path, alone?.found ?? []), refused, shares: [] };
  const fragments: Fragment[] = [];
  const vpcs = listIn(source.value, 'vpcs').map((vpc) => (isMapping(vpc) ? vpc['id'] : undefined));
  for (const dropIn of dropIns) {
    const fragment = readDropIn(dropIn, vpcs);
    if ('items' in fragment) fragments.push(fragment);
    else refused.push(...fragment.mistakes);
  }
  for (;;) {
    const { config, found } = fragments.length === 0 ? alone : checkValue(merged(source.value, fragments), check);
    if (config !== null) return { parsed: { ok: true, config }, refused, shares: fragments.map(shareOf) };
    const at = firstWrong(source.value, fragments, found, check);
    const fragment = must(fragments[at], 'the main file is right alone');
    // What is wrong with those behind it may be that they do not fit to this one.
    const until = fragments.slice(0, at + 1);
    const theirs = checkValue(merged(source.value, until), check).found;
    const inside = insideOf(source.value, until, theirs)[at] ?? [];
    refused.push(...placed(fragment.source, fragment.path, inside.length > 0 ? inside : theirs).mistakes);
    fragments.splice(at, 1);
  }
}

/** The index of the first fragment that does not fit to the main file and those before it. */
function firstWrong(base: unknown, fragments: readonly Fragment[], found: readonly Found[], check: DriverCheck | null): number {
  const fits = (count: number) => count === 0 || checkValue(merged(base, fragments.slice(0, count)), check).config !== null;
  // Mostly it is the first in whose own places something is wrong; else what is wrong is said of what it does not fit to.
  const blamed = insideOf(base, fragments, found).findIndex((mistakes) => mistakes.length > 0);
  // Of two that have an id, the one behind in the merged file is blamed, and may be the one before by name.
  const isBlamed = blamed >= 0 && !fits(blamed + 1);
  let [right, wrong] = isBlamed ? [0, blamed + 1] : [blamed + 1, fragments.length];
  if (wrong - right > 1 && fits(wrong - 1)) return wrong - 1;
  if (wrong - right > 1) wrong--;
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1;
    if (fits(middle)) right = middle;
    else wrong = middle;
  }
  return wrong - 1;
}

/** What is wrong in each fragment's own places, with paths in its file. */
function insideOf(base: unknown, fragments: readonly Fragment[], found: readonly Found[]): Found[][] {
  const starts = startsOf(base, fragments);
  return fragments.map((fragment, i) =>
    found.flatMap((one) => {
      const inside = within(one.path, fragment, must(starts[i], 'a start for each'));
      return inside === null ? [] : [{ ...one, path: inside }];
    }),
  );
}

type Unread = { readonly mistakes: readonly Mistake[] };

function shareOf({ path, list, items }: Fragment): Share {
  return { path, list, count: items.length };
}

/** @param vpcs ids of those of the main file */
export function readDropIn({ path, kind, text, trouble }: DropIn, vpcs: readonly unknown[]): Fragment | Unread {
  if (text === null) return { mistakes: [{ file: path, line: 1, column: 1, path: '', message: trouble ?? 'cannot be read' }] };
  const source = readText(text);
  const wrong = (message: string, at: Path = [], atKey = false): Unread => {
    return placed(source, path, [{ path: at, message, atKey }]);
  };
  if (source.error !== null) return wrong('');
  const { value } = source;
  const keys = kind === 'ports' ? ['ports'] : ['vpc', 'havips'];
  if (!isMapping(value)) return wrong(`must be a mapping with ${keys.join(' and ')}`);
  // `allocated`: who had it written, and when (catalogue/files.ts).
  const unknown = Object.keys(value).find((key) => !keys.includes(key) && !(kind === 'havips' && key === 'allocated'));
  if (unknown !== undefined) return wrong(`unknown key "${unknown}"; known here: ${keys.join(', ')}`, [unknown], true);
  const items = value[kind];
  if (!Array.isArray(items)) return wrong(`must be a list`, [kind]);
  if (kind === 'ports') return { path, source, items, list: 'ports' };
  const list = vpcs.indexOf(value['vpc']);
  return value['vpc'] === undefined || list < 0 ? wrong('names no VPC of the main file', ['vpc']) : { path, source, items, list };
}

function merged(base: unknown, fragments: readonly Fragment[]): unknown {
  const added = (list: Fragment['list']) => fragments.filter((one) => one.list === list).flatMap(({ items }) => items);
  const vpcs = [...listIn(base, 'vpcs')];
  for (const [index, vpc] of vpcs.entries()) {
    const havips = added(index);
    if (havips.length > 0 && isMapping(vpc)) vpcs[index] = { ...vpc, havips: [...listIn(vpc, 'havips'), ...havips] };
  }
  return { ...(isMapping(base) ? base : {}), vpcs, ports: [...listIn(base, 'ports'), ...added('ports')] };
}

/** The index of each one's first item in the list that it is added to. */
function startsOf(base: unknown, fragments: readonly Fragment[]): number[] {
  const next = new Map<Fragment['list'], number>();
  return fragments.map(({ list, items }) => {
    const owner = list === 'ports' ? base : listIn(base, 'vpcs')[list];
    const start = next.get(list) ?? listIn(owner, list === 'ports' ? 'ports' : 'havips').length;
    next.set(list, start + items.length);
    return start;
  });
}

/** The path in the fragment's own file; null: it is not in it. */
function within(path: Path, { list, items }: Fragment, start: number): Path | null {
  const steps = list === 'ports' ? ['ports'] : ['vpcs', list, 'havips'];
  if (!steps.every((step, i) => path[i] === step)) return null;
  const index = path[steps.length];
  if (typeof index !== 'number' || index < start || index >= start + items.length) return null;
  return [list === 'ports' ? 'ports' : 'havips', index - start, ...path.slice(steps.length + 1)];
}

function listIn(owner: unknown, key: string): readonly unknown[] {
  const list = isMapping(owner) ? owner[key] : undefined;
  return Array.isArray(list) ? list : [];
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
