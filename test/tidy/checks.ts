/**
 * The checks themselves: pure, from texts to a list of complaints, so that each can be shown to find what it is there for
 * (checks.test.ts). What they are held against is in ../tidy.test.ts.
 */
import { dirname, join, normalize } from 'node:path';
import {
  type Arrow,
  arrowsOf,
  commentsOf,
  exportsOf,
  functionsOf,
  headOf,
  startedBy,
  type Tree,
  withoutComments,
} from './source.ts';

export interface Room {
  readonly folder: string;
  /** Of it, and read first. */
  readonly first: string;
  /** What the README says of the folder. */
  readonly what: string;
}

/** `src/lane/ring.ts`: lane; '' for a file of src/ itself; null outside. */
export function roomOf(path: string): string | null {
  const [top, folder, ...rest] = path.split('/');
  if (top !== 'src' || folder === undefined) return null;
  return rest.length === 0 ? '' : folder;
}

export function arrowsIn(tree: Tree): Arrow[] {
  return [...tree].flatMap(([path, text]) => arrowsOf(path, text));
}

/** Imports that climb: of a folder that stands later, or of a file of src/ itself. */
export function climbing(arrows: readonly Arrow[], order: readonly string[]): string[] {
  return arrows.flatMap(({ from, to }) => {
    const [room, target] = [roomOf(from), roomOf(to)];
    if (room === null || room === '' || target === null) return [];
    return target === '' || order.indexOf(target) > order.indexOf(room) ? [`${from} -> ${to}`] : [];
  });
}

/** Circles of files, each as its files in alphabetical order. */
export function circles(arrows: readonly Arrow[]): string[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of arrows) (next.get(from) ?? next.set(from, new Set()).get(from))?.add(to);
  const reach = new Map<string, ReadonlySet<string>>();
  for (const from of next.keys())
    reach.set(
      from,
      reached([from], (file) => next.get(file) ?? [], false),
    );
  const found = new Set<string>();
  for (const [from, files] of reach) {
    if (!files.has(from)) continue;
    found.add(
      [...files]
        .filter((file) => reach.get(file)?.has(from) === true)
        .sort()
        .join(' '),
    );
  }
  return [...found];
}

/**
 * The longest way down from place to place, where each imports the next; a folder of src/ is one place, and so is each file of src/ itself.
 * @param arrows without a circle of places, which climbing() finds
 */
export function longestWay(arrows: readonly Arrow[]): string[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of arrows) {
    if (roomOf(from) === null || roomOf(to) === null) continue;
    const [place, target] = [roomOf(from) || from, roomOf(to) || to];
    if (place === target) continue;
    (next.get(place) ?? next.set(place, new Set()).get(place))?.add(target);
  }
  const ways = new Map<string, string[]>();
  const wayFrom = (place: string): string[] => {
    const below = [...(next.get(place) ?? [])].map((target) => ways.get(target) ?? wayFrom(target));
    const way = [place, ...longestOf(below)];
    ways.set(place, way);
    return way;
  };
  return longestOf([...next.keys()].map(wayFrom));
}

function longestOf(ways: readonly string[][]): string[] {
  return ways.reduce((longest, way) => (way.length > longest.length ? way : longest), []);
}

function reached(from: readonly string[], next: (file: string) => Iterable<string>, itself = true): Set<string> {
  const seen = new Set<string>(itself ? from : []);
  const open = [...from];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const to of next(file)) {
      if (seen.has(to)) continue;
      seen.add(to);
      open.push(to);
    }
  }
  return seen;
}

/** Packages named elsewhere than at their doors, doors that do not name them, and packages without a door. */
export function wrongDoors(
  tree: Tree,
  doors: Readonly<Record<string, readonly string[]>>,
  packages: readonly string[],
): string[] {
  return packages.flatMap((name) => {
    const users = [...tree].filter(([, text]) => withoutComments(text).includes(`'${name}'`)).map(([path]) => path);
    const allowed = doors[name] ?? [];
    if (users.length > 0 && allowed.length === 0) return [`${name} has no door, and is named by ${users.join(', ')}`];
    return [
      ...users
        .filter((user) => !allowed.includes(user))
        .map((user) => `${user} names ${name}, whose door is ${allowed.join(', ')}`),
      ...allowed.filter((door) => !users.includes(door)).map((door) => `${door} is no door to ${name} any more`),
    ];
  });
}

/**
 * Exports that no other file takes: `FILE: NAME`, and `FILE: NAME (tests alone)` when none but tests do. A type that the file's own
 * other exports speak of is theirs to give away.
 */
export function deadExports(tree: Tree): string[] {
  const users = new Map<string, Arrow[]>();
  for (const arrow of arrowsIn(tree)) users.set(arrow.to, [...(users.get(arrow.to) ?? []), arrow]);
  const words = new Map([...tree].map(([path, text]) => [path, new Set(withoutComments(text).match(/\w+/g))]));
  const dead: string[] = [];
  for (const [path, text] of tree) {
    if (path.startsWith('test/')) continue;
    for (const { name, isType } of exportsOf(text)) {
      const takers = (users.get(path) ?? []).filter(
        ({ from, names }) => names?.includes(name) ?? words.get(from)?.has(name) ?? false,
      );
      // Benches and fixtures are there for tests, too.
      if (takers.some(({ from }) => !from.startsWith('test/') || !path.startsWith('src/'))) continue;
      if (isType && withoutComments(text).split(new RegExp(`\\b${name}\\b`)).length > 2) continue;
      dead.push(takers.length > 0 ? `${path}: ${name} (tests alone)` : `${path}: ${name}`);
    }
  }
  return dead;
}

/** Files that nobody reaches from the roots, by import or by being started. */
export function deadFiles(tree: Tree, roots: readonly string[]): string[] {
  const next = new Map(
    [...tree].map(([path, text]) => [path, [...arrowsOf(path, text).map(({ to }) => to), ...startedBy(path, text)]]),
  );
  const alive = reached(roots, (file) => next.get(file) ?? []);
  return [...tree.keys()].filter((path) => !alive.has(path));
}

export interface Sizes {
  readonly file: number;
  readonly function: number;
}

/** What is longer than the limit, or the limit itself when all has become shorter: it is a ratchet, and goes down alone. */
export function oversize(tree: Tree, limit: Sizes): string[] {
  const files = [...tree].map(([path, text]) => ({ what: path, lines: text.split('\n').length - 1 }));
  const functions = [...tree].flatMap(([path, text]) =>
    functionsOf(text).map(({ name, line, lines }) => ({ what: `${path}:${line} ${name}`, lines })),
  );
  return [...tooLong('file', files, limit), ...tooLong('function', functions, limit)];
}

function tooLong(kind: keyof Sizes, all: readonly { readonly what: string; readonly lines: number }[], limit: Sizes): string[] {
  const longest = Math.max(0, ...all.map(({ lines }) => lines));
  const over = all
    .filter(({ lines }) => lines > limit[kind])
    .map(({ what, lines }) => `${what}: ${lines} lines, at most ${limit[kind]}`);
  if (longest < limit[kind]) over.push(`the longest ${kind} has ${longest} lines now: lower the limit of ${limit[kind]}`);
  return over;
}

/** A story has this many words and names so many files or folders of its room. */
const STORY_WORDS = 30;
const STORY_NAMES = 2;

/** Folders whose first file does not begin with their story. */
export function untold(tree: Tree, rooms: readonly Room[]): string[] {
  return rooms.flatMap(({ folder, first }) => {
    const path = `src/${folder}/${first}`;
    const head = headOf(tree.get(path) ?? '');
    const words = head.match(/[\p{L}\d]{2,}/gu)?.length ?? 0;
    const inside = new Set(
      [...tree.keys()].flatMap((file) => {
        if (!file.startsWith(`src/${folder}/`) || file === path) return [];
        return [file.slice(file.lastIndexOf('/') + 1), `${file.split('/')[2] ?? ''}/`];
      }),
    );
    const named = [...inside].filter((name) => new RegExp(`(?<![\\w.-])${name.replaceAll('.', '\\.')}`).test(head));
    return words >= STORY_WORDS && named.length >= STORY_NAMES
      ? []
      : [`${path}: ${words} words, names ${named.length} of its folder`];
  });
}

const CITED = /(?<![\w/:.-])((?:[\w.-]+\/)*[\w-]{2,}(?:\.test)?\.(?:md|ts|cts|c|sh|json))\b(?![\w/])/g;

/**
 * What comments and documents name that a clone does not have: a path from the root or from where it is named, or the end of one.
 * @param exists in the project, by its path from the root
 */
export function dangling(tree: Tree, documents: Tree, exists: (path: string) => boolean): string[] {
  const texts = [...[...tree].map(([path, text]) => [path, commentsOf(text)] as const), ...documents];
  const ends = new Set([...tree.keys()].flatMap((path) => path.split('/').map((_, i, steps) => steps.slice(i).join('/'))));
  return texts.flatMap(([path, text]) => {
    const lost = [...text.matchAll(CITED)]
      .map(([, name = '']) => name)
      .filter((name) => !ends.has(name) && !exists(name) && !exists(normalize(join(dirname(path), name))));
    return [...new Set(lost)].map((name) => `${path}: ${name}`);
  });
}

export const TABLE_BEGIN = '<!-- The folders of src/, in order: ORDER in test/tidy.test.ts, which compares from here -->';
export const TABLE_END = '<!-- to here -->';

/** Three columns, read down. */
export function tableOf(rooms: readonly Room[]): string {
  const third = Math.ceil(rooms.length / 3);
  const cell = (room: Room | undefined) => (room === undefined ? '' : `**${room.folder}/** ${room.first}: ${room.what}`);
  return [
    '| folder, and what to read first of it | | |',
    '| --- | --- | --- |',
    ...rooms.slice(0, third).map((_, i) => `| ${[i, i + third, i + 2 * third].map((at) => cell(rooms[at])).join(' | ')} |`),
  ].join('\n');
}

/** The table between the two marks; null when they are not there. */
export function tableIn(document: string): string | null {
  const begin = document.indexOf(TABLE_BEGIN);
  const end = document.indexOf(TABLE_END, begin);
  return begin < 0 || end < 0 ? null : document.slice(begin + TABLE_BEGIN.length, end).trim();
}
