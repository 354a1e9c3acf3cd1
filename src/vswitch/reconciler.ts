/**
 * The reconciler: keeps what the switch shall have and what it has, and commits the difference. Start, reload, fault and drift are
 * one code path, over the two sides that tracker.ts keeps. Main thread; no timers: the
 * owner calls flush() after each turn's claims and again when `nextRetryNs` has come, resync() when the switch says `changed()`.
 */
import type { Clock } from '../base/clock.ts';
import { type Havip, mayClaim, type Network, NO_NETWORK } from '../base/network.ts';
import { bisect } from './bisect.ts';
import { eachEntry, holderKey, holderValue, type Holding, holdingOf, type Mode, touchedParts } from './entries.ts';
import { Tracker } from './tracker.ts';
import { type Change, type EntryKind, type VSwitch, VSwitchError } from './vswitch.ts';

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 10_000;
/** A larger difference (a start, a big reload) goes in several transactions; one turn's claims stay in one. */
const CHANGES_PER_COMMIT = 4096;
const HOOKS: readonly EntryKind[] = ['port', 'uplink'];

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

export class Reconciler {
  readonly counters: ReconcilerCounters = { attempts: 0, failures: 0, resyncs: 0, driftRepaired: 0 };
  readonly #o: ReconcilerOptions;
  #network: Network = NO_NETWORK;
  #mode: Mode = 'enforce';
  readonly #tracker = new Tracker();
  readonly #holdings = new Map<number, Holding>();
  #retryNs: number | null = null;
  #retryMs = RETRY_FIRST_MS;
  #needsList = false;
  #trouble: string | null = null;
  #ackedNs = 0;

  constructor(options: ReconcilerOptions) {
    this.#o = options;
  }

  /** When flush() has something to try again, on the monotonic clock; null: nothing failed. */
  get nextRetryNs(): number | null {
    return this.#retryNs;
  }

  /** The switch has all that was desired of it, as far as is known. */
  get inSync(): boolean {
    return this.#tracker.dirtyCount === 0 && !this.#needsList;
  }

  /** What the last commit or listing failed with; null when it did not. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** A new network or mode; only the entries that differ are touched, and nothing is committed before flush(). */
  configure(network: Network, mode: Mode): void {
    const before = this.#network;
    const touched = touchedParts(before, network);
    eachEntry(before, this.#mode, touched, (kind, key) => this.#tracker.want(kind, key, null));
    for (const [index] of this.#holdings) {
      const havip = before.havips[index];
      if (havip && touched.has(havip)) this.#tracker.want('holder', holderKey(before, havip), null);
    }
    this.#network = network;
    this.#mode = mode;
    eachEntry(network, mode, touched, (kind, key, value) => this.#tracker.want(kind, key, value));
    for (const [index, holding] of this.#holdings) {
      const havip = network.havips[index];
      if (!havip) this.#holdings.delete(index);
      else if (touched.has(havip)) this.#wantHolder(havip, holding);
    }
  }

  /** Who holds the HAVIP now; null: nobody. Committed by the next flush(). */
  hold(havipIndex: number, holding: Holding | null): void {
    const havip = this.#network.havips[havipIndex];
    if (!havip) return;
    if (holding === null) {
      this.#holdings.delete(havipIndex);
      this.#tracker.want('holder', holderKey(this.#network, havip), null);
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
      const value = this.#tracker.actual('holder', holderKey(this.#network, havip));
      const holding = value === null ? null : holdingOf(value);
      const port = holding === null ? undefined : ports.get(holding.interface);
      if (holding === null || port === undefined || !mayClaim(port, havip)) continue;
      found.set(havip.index, holding);
      this.hold(havip.index, holding);
    }
    return found;
  }

  /** The owner's record is complete: holders that nobody desires may go now. */
  release(): void {
    this.#tracker.release();
  }

  /** Reads the switch again and repairs what differs; returns the number of entries found changed by somebody else. */
  resync(): number {
    this.counters.resyncs++;
    let drifted: number;
    try {
      drifted = this.#relist();
    } catch (error) {
      this.#fail(error, []);
      return 0;
    }
    if (drifted > 0)
      this.#o.log.warn(`vswitch ${this.#o.vswitch.name}: ${drifted} entries were changed by somebody else; repairing`);
    const outcome = this.flush();
    if (outcome.state === 'committed') this.counters.driftRepaired += drifted;
    return drifted;
  }

  /** For switches that cannot hook an interface before it exists: it exists now, so hook it, before anything else. */
  interfaceAppeared(name: string): FlushOutcome | null {
    if (this.#o.vswitch.hooksByName) return null;
    const hooks = HOOKS.filter((kind) => this.#tracker.desires(kind, name));
    if (hooks.length === 0) return null;
    // The chain, if it is still listed, hangs on an interface that is gone: `damaged` makes the driver build it anew.
    for (const kind of hooks) this.#tracker.damage(kind, name);
    return this.flush();
  }

  /** Has the switch acknowledged what was last said of this HAVIP? */
  isProgrammed(havipIndex: number): boolean {
    const havip = this.#network.havips[havipIndex];
    return havip !== null && havip !== undefined && !this.#tracker.isDirty('holder', holderKey(this.#network, havip));
  }

  /** Commits all differences in one transaction (a start or a big reload: in few); those refused earlier when their retry is due. */
  flush(): FlushOutcome {
    const startedNs = this.#o.clock.nowNs();
    const due = this.#retryNs !== null && startedNs >= this.#retryNs;
    if (this.#needsList && !due) return this.#outcome('waiting', 0, startedNs);
    if (due) {
      this.#tracker.forgive();
      try {
        this.#relist();
      } catch (error) {
        return this.#fail(error, [], startedNs);
      }
    }
    const changes = this.#tracker.changes();
    if (changes.length === 0) {
      if (this.#tracker.dirtyCount > 0) return this.#outcome('waiting', 0, startedNs);
      this.#clear();
      return this.#outcome('clean', 0, startedNs);
    }
    return this.#commitAll(changes, startedNs);
  }

  #commitAll(changes: readonly Change[], startedNs: number): FlushOutcome {
    let committed = 0;
    let error: VSwitchError | null = null;
    const refused: Change[] = [];
    for (const transaction of transactionsOf(changes)) {
      if (error?.kind === 'unavailable') break;
      const result = bisect(transaction, (part) => this.#commit(part));
      committed += result.committed;
      refused.push(...result.refused);
      error = result.error ?? error;
    }
    if (error !== null) return this.#fail(error, refused, startedNs, committed);
    if (this.#tracker.refusedCount === 0) this.#clear();
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
      this.#ackedNs = clock.nowNs();
      onCommit?.(this.#ackedNs - startedNs);
    }
    this.#tracker.acknowledge(changes);
  }

  #relist(): number {
    const entries = this.#o.vswitch.list();
    this.#needsList = false;
    return this.#tracker.listed(entries);
  }

  #wantHolder(havip: Havip, holding: Holding): void {
    this.#tracker.want('holder', holderKey(this.#network, havip), holderValue(havip, holding));
  }

  #fail(error: unknown, refused: readonly Change[], startedNs = this.#o.clock.nowNs(), committed = 0): FlushOutcome {
    if (!(error instanceof VSwitchError)) throw error;
    this.#tracker.refuse(refused);
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
    const ackedNs = committed > 0 ? this.#ackedNs : this.#o.clock.nowNs();
    return { state, committed, startedNs, ackedNs, error: this.#trouble };
  }
}

/** Kind by kind when they are many: a driver may have a fast way for some kinds. */
function* transactionsOf(changes: readonly Change[]): Generator<readonly Change[]> {
  if (changes.length <= CHANGES_PER_COMMIT) {
    yield changes;
    return;
  }
  const kindOf = (at: number) => (changes[at]?.after ?? changes[at]?.before)?.kind;
  for (let at = 0; at < changes.length;) {
    const kind = kindOf(at);
    let end = at + 1;
    while (end < changes.length && end - at < CHANGES_PER_COMMIT && kindOf(end) === kind) end++;
    yield changes.slice(at, end);
    at = end;
  }
}
