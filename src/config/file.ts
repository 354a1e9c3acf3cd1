/**
 * A configuration file that is read again and again. Main thread.
 *
 * A reload mostly changes a HAVIP or two of one VPC, and a whole file of 100,000 HAVIPs takes half a second to check. So the bytes are
 * compared with those read last (10 MB in 2 ms). Where the difference lies within one element of `vpcs` of a JSON file, and that
 * element differs in its HAVIPs alone, the element is checked by itself, together with the ports of its subnets: what a HAVIP may
 * collide with is in its VPC, but for ids, which are looked for in the others. The rest stays the same objects, by which config/plan.ts
 * knows it. In any other case, and for every mistake, the whole file is parsed: the answer is always parseConfig()'s, which
 * test/config/file.test.ts tries with random edits.
 *
 * What comes and goes beside it is checked alone where that is enough (beside.ts). Else, with files beside it (drop-ins.ts), the whole is
 * parsed, which is done in another thread while the agent runs.
 */
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { must } from '../base/assert.ts';
import { portAsWritten } from './beside-ports.ts';
import { type Beside, hasStrayMembers, NOTHING_BESIDE, takeBeside } from './beside.ts';
import { parseSource } from './config.ts';
import type { Config, Mistake, Parsed, VpcConfig } from './config.ts';
import type { DriverCheck } from './cross.ts';
import { type DropIn, parseTogether, type Share } from './drop-ins.ts';
import type { Spans } from './json.ts';
import { DropInFolder, readRegular } from './read.ts';
import { readJson, readText } from './text.ts';

interface Known {
  readonly bytes: Buffer;
  readonly config: Config;
  /** Where the elements of `vpcs` begin and end in `bytes`; null when parts cannot be told apart. */
  readonly vpcs: Spans | null;
  readonly beside: Beside;
}

export class ConfigFile {
  readonly path: string;
  /** What is wrong with files beside it that were refused, at the last time that the rest was right. */
  refused: readonly Mistake[] = [];
  /** A file beside it that is not written yet: read as if it were. */
  instead: DropIn | null = null;
  #known: Known | null = null;
  /** What `#known` lies in, and what the one before lay in, for the next: V8 frees 10 MB late, and reloads come in rows. */
  #memory: Buffer = Buffer.alloc(0);
  #spare: Buffer = Buffer.alloc(0);

  readonly #check: DriverCheck | null;
  readonly #folders: readonly DropInFolder[];

  /** @param check what the driver of the virtual switch has to say */
  constructor(path: string, check: DriverCheck | null = null) {
    this.path = path;
    this.#check = check;
    this.#folders = (['ports', 'havips'] as const).map((kind) => new DropInFolder(join(dirname(path), `${kind}.d`), kind));
  }

  /**
   * Throws what openSync and readSync throw, and an OperatingError for what is no configuration file at all. A file with mistakes changes
   * nothing in what the next one is compared with.
   */
  read(): Parsed {
    return this.#keep((bytes) => this.take(bytes, this.#dropIns()));
  }

  /** The same where the thread has more to do: what must be parsed whole is parsed by `parse`, elsewhere. One at a time. */
  readBy(parse: ParseElsewhere): Promise<Parsed> {
    return this.#keep((bytes) => this.#takeBy(parse, bytes));
  }

  /** The files beside it anew, with the file itself as it was when it was right: it may be just being edited. */
  readBesideBy(parse: ParseElsewhere): Promise<Parsed> {
    return this.#known === null ? this.readBy(parse) : this.#takeBy(parse, this.#known.bytes);
  }

  /** What would be wrong with a file beside it, were it there; nothing is taken. */
  async mistakesOf(instead: DropIn, parse: ParseElsewhere): Promise<readonly Mistake[]> {
    const { bytes } = must(this.#known, 'it was read once');
    const dropIns = this.#dropIns(instead);
    if (this.#differenceTo(bytes, dropIns) !== null) return [];
    // A copy: others read meanwhile, into this memory.
    const { parsed, refused = [] } = await parse(Buffer.from(bytes), this.path, dropIns);
    return (parsed.ok ? refused : parsed.mistakes).filter(({ file }) => file === instead.path);
  }

  take(bytes: Buffer, dropIns: readonly DropIn[] = []): Parsed {
    const difference = this.#takeDifference(bytes, dropIns);
    return difference ?? this.#takeWhole(bytes, parseWhole(bytes, this.path, this.#check, dropIns), dropIns);
  }

  async #takeBy(parse: ParseElsewhere, bytes: Buffer): Promise<Parsed> {
    const dropIns = this.#dropIns();
    return this.#takeDifference(bytes, dropIns) ?? this.#takeWhole(bytes, await parse(bytes, this.path, dropIns), dropIns);
  }

  #dropIns(instead = this.instead): DropIn[] {
    const found = this.#folders.flatMap((folder) => folder.read());
    if (instead === null) return found;
    // Last: what is written already stays.
    return [...found.filter(({ path }) => path !== instead.path), instead];
  }

  #takeDifference(bytes: Buffer, dropIns: readonly DropIn[]): Parsed | null {
    const known = this.#differenceTo(bytes, dropIns);
    if (known === null) return null;
    this.#known = known;
    this.refused = [];
    return { ok: true, config: known.config };
  }

  #differenceTo(bytes: Buffer, dropIns: readonly DropIn[]): Known | null {
    return this.#known === null ? null : readDifference(this.#known, bytes, dropIns, this.refused.length > 0);
  }

  #takeWhole(bytes: Buffer, { parsed, vpcs, refused = [], shares = [] }: Whole, dropIns: readonly DropIn[]): Parsed {
    if (!parsed.ok) return parsed;
    this.#known = { bytes, config: parsed.config, vpcs, beside: { dropIns, shares } };
    this.refused = refused;
    return parsed;
  }

  /** Keeps the memory of what is compared with, and gives that of the other to the next. */
  #keep<T>(take: (bytes: Buffer) => T): T {
    const { bytes, memory } = readRegular(this.path, this.#spare);
    const taken = take(bytes);
    const swap = () => {
      if (this.#known?.bytes === bytes) [this.#spare, this.#memory] = [this.#memory, memory];
      else this.#spare = memory;
    };
    if (taken instanceof Promise) taken.then(swap, swap);
    else swap();
    return taken;
  }
}

/** A whole file, parsed. `vpcs` as in Known. */
export interface Whole {
  readonly parsed: Parsed;
  readonly vpcs: Spans | null;
  /** What is wrong with files beside it. */
  readonly refused?: readonly Mistake[];
  readonly shares?: readonly Share[];
}

/** In another thread, say. Rejects with an OperatingError when it takes too long or too much. */
export type ParseElsewhere = (bytes: Buffer, path: string, dropIns?: readonly DropIn[]) => Promise<Whole>;

export function parseWhole(bytes: Buffer, path: string, check: DriverCheck | null, dropIns: readonly DropIn[] = []): Whole {
  const text = bytes.toString('utf8');
  const source = readText(text);
  // Only in ASCII are offsets in the text those in the file.
  const vpcs = text.length === bytes.length ? source.vpcs : null;
  if (dropIns.length > 0) return { ...parseTogether(source, path, check, dropIns), vpcs };
  return { parsed: parseSource(source, path, check), vpcs };
}

/** null: the whole must be parsed. */
function readDifference(known: Known, bytes: Buffer, dropIns: readonly DropIn[], refused: boolean): Known | null {
  const { bytes: before, config, vpcs, beside } = known;
  const from = bytes === before ? bytes.length : equalFromStart(before, bytes);
  if (from === before.length && from === bytes.length) {
    const taken = refused ? null : takeBeside(config, beside, dropIns);
    return taken === null ? null : { bytes, config: taken[0], vpcs, beside: taken[1] };
  }
  if (vpcs === null || dropIns.length > 0 || beside.dropIns.length > 0) return null;
  const to = before.length - equalFromEnd(before, bytes, from);
  const grown = bytes.length - before.length;
  let index = 0;
  while (index * 2 < vpcs.length && (vpcs[index * 2 + 1] ?? to) < to) index++;
  const start = vpcs[index * 2];
  const end = vpcs[index * 2 + 1];
  if (start === undefined || end === undefined || from < start) return null;
  const vpc = readVpc(bytes.toString('utf8', start, end + grown), config, index);
  if (vpc === null) return null;
  return {
    bytes,
    config: Object.freeze({ ...config, vpcs: Object.freeze(config.vpcs.with(index, vpc)) }),
    vpcs: vpcs.map((offset) => (offset < end ? offset : offset + grown)),
    beside: NOTHING_BESIDE,
  };
}

/** The VPC that stands where `config` has the one of this index; null when the rest of the file may have a say in it. */
function readVpc(text: string, config: Config, index: number): VpcConfig | null {
  const source = readJson(text);
  const before = must(config.vpcs[index], 'every element of the list is a VPC');
  if (source === null || source.error !== null) return null;
  const subnets = new Set(before.subnets.map(({ id }) => id));
  const ports = config.ports.filter(({ subnet }) => subnets.has(subnet)).map(portAsWritten);
  const parsed = parseSource({ ...source, value: { host: { id: config.host.id }, vpcs: [source.value], ports } }, '', null);
  const after = parsed.ok ? must(parsed.config.vpcs[0], 'one VPC went in') : null;
  if (after === null || !isDeepStrictEqual({ ...before, havips: [] }, { ...after, havips: [] })) return null;
  const ids = new Set(after.havips.map(({ id }) => id));
  for (const { id } of before.havips) ids.delete(id);
  const taken = ids.size > 0 && config.vpcs.some((vpc) => vpc !== before && vpc.havips.some(({ id }) => ids.has(id)));
  return taken || hasStrayMembers(after.havips, config.ports) ? null : after;
}

const CHUNK_BYTES = 64 * 1024;
function equalFromStart(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.compare(b, at, Math.min(at + CHUNK_BYTES, length), at, Math.min(at + CHUNK_BYTES, length)) === 0)
    at = Math.min(at + CHUNK_BYTES, length);
  while (at < length && a[at] === b[at]) at++;
  return at;
}

/** @param start what is before it is not looked at */
function equalFromEnd(a: Buffer, b: Buffer, start: number): number {
  const length = Math.min(a.length, b.length) - start;
  const chunkEqual = (end: number) => {
    const bytes = Math.min(CHUNK_BYTES, length - end);
    return a.compare(b, b.length - end - bytes, b.length - end, a.length - end - bytes, a.length - end) === 0;
  };
  let equal = 0;
  while (equal < length && chunkEqual(equal)) equal = Math.min(equal + CHUNK_BYTES, length);
  while (equal < length && a[a.length - 1 - equal] === b[b.length - 1 - equal]) equal++;
  return equal;
}
