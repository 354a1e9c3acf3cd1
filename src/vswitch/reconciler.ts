/**
 * The reconciler: keeps what the switch shall have and what it has, and commits the difference. Start, reload, fault and drift are
 * one code path: two maps and a set of the ids that may differ in them (after Felix's deltatracker). Main thread; no timers: the
 * owner calls flush() after each turn's claims and again when `nextRetryNs` has come, resync() when the switch says `changed()`.
 */
import type { Clock } from '../base/clock.ts';
import { type Havip, mayClaim, type Network } from '../base/network.ts';
import { bisect } from './bisect.ts';
import { entriesOf, entryId, holderEntry, holderKey, type Holding, holdingOf, type Mode, touchedSubnets } from './entries.ts';
import { type Change, ENTRY_KINDS, type Entry, type EntryKind, type VSwitch, VSwitchError } from './vswitch.ts';

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 10_000;
/** A larger difference (a start, a big reload) goes in several transactions; one turn's claims stay in one. */
const CHANGES_PER_COMMIT = 4096;

export interface SwitchLog {
  warn(message: string): void;
  info(message: string): void;
}

export interface ReconcilerOptions {
  readonly vswitch: VSwitch;
  readonly clock: Clock;
  readonly log: SwitchLog;
  /** Called with the duration of each commit, also of failed ones. */
  readonly onCommit?: (durationNs: number) => void;
}

/** Plain counters for the owner's metrics; they only grow. */
export interface ReconcilerCounters {
  attempts: number;
  failures: number;
  resyncs: number;
  driftRepaired: number;
}

/** `waiting`: differences remain and their retry is not due yet. `failed`: some were refused now. */
export interface FlushOutcome {
  readonly state: 'clean' | 'committed' | 'failed' | 'waiting';
  readonly committed: number;
  readonly startedNs: number;
  /** The switch's last acknowledgement. */
  readonly ackedNs: number;
  readonly error: string | null;
}

const NOTHING: Network = { vpcs: [], subnets: [], havips: [], ports: [], uplinks: [] };
const RANK = new Map<EntryKind, number>(ENTRY_KINDS.map((kind, rank) => [kind, rank]));

export class Reconciler {
  readonly counters: ReconcilerCounters = { attempts: 0, failures: 0, resyncs: 0, driftRepaired: 0 };
  readonly #o: ReconcilerOptions;
  #network = NOTHING;
  #mode: Mode = 'enforce';
  readonly #desired = new Map<string, Entry>();
  readonly #actual = new Map<string, Entry>();
  readonly #dirty = new Set<string>();
  /** Refused, and left alone until the retry is due. */
  readonly #refused = new Set<string>();
  readonly #holdings = new Map<number, Holding>();
  /** Until told in sync, a holder that the switch has and nobody desires stays: its owner may be about to say so. */
  #withholding = true;
  #retryNs: number | null = null;
  #retryMs = RETRY_FIRST_MS;
  #needsList = false;
  #trouble: string | null = null;

  constructor(options: ReconcilerOptions) {
    this.#o = options;
  }

  /** When flush() has something to try again, on the monotonic clock; null: nothing failed. */
  get nextRetryNs(): number | null {
    return this.#retryNs;
  }

  /** The switch has all that was desired of it, as far as is known. */
  get inSync(): boolean {
    return this.#dirty.size === 0 && !this.#needsList;
  }

  /** What the last commit or listing failed with; null when it did not. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** A new network or mode; only the entries that differ are touched, and nothing is committed before flush(). */
  configure(network: Network, mode: Mode): void {
    const before = this.#network;
    const touched = touchedSubnets(before, network);
    for (const item of entriesOf(before, this.#mode, touched)) this.#want(entryId(item), null);
    for (const [index] of this.#holdings) {
      const havip = before.havips[index];
      if (havip && touched.has(havip.subnet)) this.#want(`holder ${holderKey(before, havip)}`, null);
    }
    this.#network = network;
    this.#mode = mode;
    for (const item of entriesOf(network, mode, touched)) this.#want(entryId(item), item);
    for (const [index, holding] of this.#holdings) {
      const havip = network.havips[index];
      if (!havip) this.#holdings.delete(index);
      else if (touched.has(havip.subnet)) this.#wantHolder(havip, holding);
    }
  }

  /** Who holds the HAVIP now; null: nobody. Committed by the next flush(). */
  hold(havipIndex: number, holding: Holding | null): void {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return;
    if (holding === null) {
      this.#holdings.delete(havipIndex);
      const id = `holder ${holderKey(this.#network, havip)}`;
      this.#want(id, null);
      return;
    }
    this.#holdings.set(havipIndex, holding);
    this.#wantHolder(havip, holding);
  }

  /**
   * Reads the switch at start, after configure(). Returns the holders found there that may still hold, by HAVIP index, and keeps
   * them. Throws VSwitchError.
   */
  adopt(): Map<number, Holding> {
    this.#relist();
    const found = new Map<number, Holding>();
    const ports = new Map(this.#network.ports.flatMap((port) => (port === null ? [] : [[port.interface, port] as const])));
    for (const havip of this.#network.havips) {
      if (havip === null || this.#holdings.has(havip.index)) continue;
      const item = this.#actual.get(`holder ${holderKey(this.#network, havip)}`);
      const holding = item === undefined ? null : holdingOf(item);
      const port = holding === null ? undefined : ports.get(holding.interface);
      if (holding === null || port === undefined || !mayClaim(port, havip)) continue;
      found.set(havip.index, holding);
      this.hold(havip.index, holding);
    }
    return found;
  }

  /** The owner's record is complete: holders that nobody desires may go now. */
  release(): void {
    this.#withholding = false;
    for (const id of this.#actual.keys()) this.#mark(id);
  }

  /** Reads the switch again and repairs what differs; returns the number of entries found changed by somebody else. */
  resync(): number {
    this.counters.resyncs++;
    const pending = new Set(this.#dirty);
    try {
      this.#relist();
    } catch (error) {
      this.#fail(error, []);
      return 0;
    }
    let drifted = 0;
    for (const id of this.#dirty) if (!pending.has(id)) drifted++;
    if (drifted > 0)
      this.#o.log.warn(`vswitch ${this.#o.vswitch.name}: ${drifted} entries were changed by somebody else; repairing`);
    const outcome = this.flush();
    if (outcome.state === 'committed') this.counters.driftRepaired += drifted;
    return drifted;
  }

  /** For switches that cannot hook an interface before it exists: it exists now, so hook it, before anything else. */
  interfaceAppeared(name: string): FlushOutcome | null {
    if (this.#o.vswitch.hooksByName) return null;
    const hooks = [`port ${name}`, `uplink ${name}`].filter((id) => this.#desired.has(id));
    if (hooks.length === 0) return null;
    for (const id of hooks) {
      // The chain, if it is still listed, hangs on an interface that is gone: `damaged` makes the driver build it anew.
      const actual = this.#actual.get(id);
      if (actual !== undefined) this.#actual.set(id, { ...actual, value: 'damaged' });
      this.#mark(id);
    }
    return this.flush();
  }

  /** Has the switch acknowledged what was last said of this HAVIP? */
  isProgrammed(havipIndex: number): boolean {
    const havip = this.#network.havips[havipIndex];
    return havip !== null && havip !== undefined && !this.#dirty.has(`holder ${holderKey(this.#network, havip)}`);
  }

  /** Commits all differences in one transaction (a start or a big reload: in few); those refused earlier when their retry is due. */
  flush(): FlushOutcome {
    const startedNs = this.#o.clock.nowNs();
    const due = this.#retryNs !== null && startedNs >= this.#retryNs;
    if (this.#needsList && !due) return this.#outcome('waiting', 0, startedNs);
    if (due) {
      this.#refused.clear();
      try {
        this.#relist();
      } catch (error) {
        return this.#fail(error, [], startedNs);
      }
    }
    const changes = this.#changes();
    if (changes.length === 0) {
      if (this.#dirty.size > 0) return this.#outcome('waiting', 0, startedNs);
      this.#clear();
      return this.#outcome('clean', 0, startedNs);
    }
    return this.#commitAll(changes, startedNs);
  }

  #commitAll(changes: readonly Change[], startedNs: number): FlushOutcome {
    let committed = 0;
    let error: VSwitchError | null = null;
    const refused: Change[] = [];
    for (let at = 0; at < changes.length && error?.kind !== 'unavailable'; at += CHANGES_PER_COMMIT) {
      const result = bisect(changes.slice(at, at + CHANGES_PER_COMMIT), (part) => this.#commit(part));
      committed += result.committed;
      refused.push(...result.refused);
      error = result.error ?? error;
    }
    if (error !== null) return this.#fail(error, refused, startedNs, committed);
    if (this.#refused.size === 0) this.#clear();
    return this.#outcome('committed', committed, startedNs);
  }

  #commit(changes: readonly Change[]): void {
    const { clock, vswitch, onCommit } = this.#o;
    const startedNs = clock.nowNs();
    this.counters.attempts++;
    try {
      vswitch.commit(changes);
    } catch (error) {
      this.counters.failures++;
      throw error;
    } finally {
      onCommit?.(clock.nowNs() - startedNs);
    }
    for (const { before, after } of changes) {
      if (after !== null) this.#actual.set(entryId(after), after);
      else if (before !== null) this.#actual.delete(entryId(before));
      this.#dirty.delete(entryId((after ?? before)!));
    }
  }

  /** Removals first, the last kind first; then the rest, the first kind first. */
  #changes(): Change[] {
    const removals: Change[] = [];
    const others: Change[] = [];
    for (const id of this.#dirty) {
      if (this.#refused.has(id)) continue;
      const before = this.#actual.get(id) ?? null;
      const after = this.#desired.get(id) ?? null;
      (after === null ? removals : others).push({ before, after });
    }
    removals.sort((a, b) => rank(b) - rank(a));
    others.sort((a, b) => rank(a) - rank(b));
    return [...removals, ...others];
  }

  #relist(): void {
    const listed = this.#o.vswitch.list();
    const stale = new Set(this.#actual.keys());
    this.#needsList = false;
    for (const item of listed) {
      const id = entryId(item);
      stale.delete(id);
      this.#actual.set(id, item);
      this.#mark(id);
    }
    for (const id of stale) {
      this.#actual.delete(id);
      this.#mark(id);
    }
  }

  #wantHolder(havip: Havip, holding: Holding): void {
    const item = holderEntry(this.#network, havip, holding);
    this.#want(entryId(item), item);
  }

  #want(id: string, item: Entry | null): void {
    if (item === null) this.#desired.delete(id);
    else this.#desired.set(id, item);
    this.#refused.delete(id);
    this.#mark(id);
  }

  #mark(id: string): void {
    const desired = this.#desired.get(id);
    const actual = this.#actual.get(id);
    const kept = this.#withholding && desired === undefined && id.startsWith('holder ');
    if (kept || desired?.value === actual?.value) this.#dirty.delete(id);
    else this.#dirty.add(id);
  }

  #fail(error: unknown, refused: readonly Change[], startedNs = this.#o.clock.nowNs(), committed = 0): FlushOutcome {
    if (!(error instanceof VSwitchError)) throw error;
    for (const { before, after } of refused) this.#refused.add(entryId((after ?? before)!));
    this.#needsList ||= error.kind === 'unavailable';
    this.#retryNs = this.#o.clock.nowNs() + this.#retryMs * 1e6;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    if (this.#trouble === null) this.#o.log.warn(`vswitch ${this.#o.vswitch.name}: ${error.message}; will retry`);
    this.#trouble = error.message;
    return this.#outcome('failed', committed, startedNs);
  }

  #clear(): void {
    if (this.#trouble !== null) this.#o.log.info(`vswitch ${this.#o.vswitch.name}: works again`);
    this.#trouble = null;
    this.#retryNs = null;
    this.#retryMs = RETRY_FIRST_MS;
  }

  #outcome(state: FlushOutcome['state'], committed: number, startedNs: number): FlushOutcome {
    return { state, committed, startedNs, ackedNs: this.#o.clock.nowNs(), error: this.#trouble };
  }
}

function rank({ before, after }: Change): number {
  return RANK.get((after ?? before)!.kind) ?? 0;
}
