/**
 * The reconciler: keeps what the switch shall have (desired.ts) and what it has (tracker.ts), and commits the difference. Start, reload,
 * fault and drift are one code path. Main thread; no timers: the owner calls flush() after each turn's claims, when `nextRetryNs` has
 * come and in onAnswer(), resync() when the switch says `changed()`.
 *
 *     want ──> differs ──flush()──> asked ──acknowledged──> has it      a driver may answer within the call, or later with a promise
 *                 ^                   │
 *                 └── refused, or no answer until the deadline: again, later and later, listing first
 *
 * One thing is asked at a time. What is wanted meanwhile goes as one transaction when the answer is there; a failover waits for the
 * transaction that is on its way, and for no other that a reload still has to send.
 */
import type { Binding } from '../base/binding.ts';
import type { Clock } from '../base/clock.ts';
import type { Network } from '../base/network.ts';
import { Asking } from './asking.ts';
import { Bisection } from './bisect.ts';
import { Desired } from './desired.ts';
import type { Mode } from './entries.ts';
import { LateHooks } from './late-hooks.ts';
import { Tracker } from './tracker.ts';
import { type SwitchLog, Trouble } from './trouble.ts';
import { type Change, type Entry, type EntryKind, type VSwitch, VSwitchError } from './vswitch.ts';

export interface ReconcilerOptions {
  readonly vswitch: VSwitch;
  readonly clock: Clock;
  readonly log: SwitchLog;
  /** Called with the duration of each commit, also of failed ones. */
  readonly onCommit?: (durationNs: number) => void;
  /** An answer came later than in the call that asked: flush() now. `atNs`: when it came. */
  readonly onAnswer?: (atNs: number) => void;
}

/** Plain counters for the owner's metrics; they only grow. */
export interface ReconcilerCounters {
  attempts: number;
  failures: number;
  resyncs: number;
  driftRepaired: number;
}

/** `waiting`: differences remain and their retry is not due yet. `asked`: the switch has not answered yet. `failed`: some were refused now. */
export interface FlushOutcome {
  readonly state: 'clean' | 'committed' | 'failed' | 'waiting' | 'asked';
  readonly committed: number;
  readonly startedNs: number;
  /** The switch's last acknowledgement. */
  readonly ackedNs: number;
  readonly error: string | null;
}

export class Reconciler {
  readonly counters: ReconcilerCounters = { attempts: 0, failures: 0, resyncs: 0, driftRepaired: 0 };
  readonly #o: ReconcilerOptions;
  readonly #tracker = new Tracker();
  readonly #hooks = new LateHooks(this.#tracker);
  readonly #desired: Desired;
  readonly #trouble: Trouble;
  readonly #asking: Asking;
  /** What flush() has begun to send; outlives it only while an answer is out. */
  #batch: Bisection | null = null;
  #needsList = false;
  /** To be listed as soon as nothing is asked; `drift`: and what is found changed is somebody else's doing. */
  #listDue: 'no' | 'late' | 'drift' = 'no';
  /** How many entries the last resync found changed; null: it has not been listed. */
  #found: number | null = null;
  /** Of them, those not repaired yet. */
  #drifted = 0;
  #ackedNs = 0;

  constructor(options: ReconcilerOptions) {
    this.#o = options;
    this.#desired = new Desired(this.#tracker, options.vswitch);
    this.#trouble = new Trouble(options.clock, options.log, options.vswitch.name);
    this.#asking = new Asking(options.clock, (isLate) => this.#answered(isLate));
  }

  /** When flush() has something to try again or to give up, on the monotonic clock; null: nothing failed and nothing is asked. */
  get nextRetryNs(): number | null {
    return this.#asking.untilNs ?? this.#trouble.retryNs;
  }

  /** The switch has all that was desired of it, as far as is known. */
  get inSync(): boolean {
    return this.#asking.changes === null && this.#tracker.dirtyCount === 0 && !this.#needsList;
  }

  /** An answer of the switch is out. */
  get isAsking(): boolean {
    return this.#asking.isOpen;
  }

  /** What the last commit or listing failed with; null when it did not. */
  get trouble(): string | null {
    return this.#trouble.message;
  }

  /** A new network or mode; only the entries that differ are touched, and nothing is committed before flush(). */
  configure(network: Network, mode: Mode): void {
    this.#desired.configure(network, mode);
    this.#batch?.wanted(null);
  }

  /** Who holds the HAVIP now; null: nobody. Committed by the next flush(). */
  hold(havipIndex: number, binding: Binding | null): void {
    const key = this.#desired.hold(havipIndex, binding);
    if (key !== null) this.#batch?.wanted(key);
  }

  /** Takes what the switch has at start, after configure(). Keeps and returns the bindings that may still be, by HAVIP index. */
  adopt(entries: readonly Entry[]): Map<number, Binding> {
    this.#tracker.listed(entries);
    return this.#desired.adopt();
  }

  /** The owner's record is complete: holders that nobody desires may go now. */
  letHoldersGo(): void {
    this.#tracker.letHoldersGo();
  }

  /** What else is wanted, by what(); committed by the next flush(). Returns the answer of what(). */
  want<T>(what: (desired: Desired) => T): T {
    const answer = what(this.#desired);
    this.#batch?.wanted(null);
    return answer;
  }

  /** The owner lives. */
  renew(): void {
    if (!this.#tracker.desires('alive', '-') || this.#asking.isOpen) return;
    this.interfaceChanged(null);
    // Moved interfaces may have been sent, and not be answered yet: the next sign is soon enough.
    if (this.#asking.isOpen) return;
    // A refused one is made anew, which says what is wrong.
    const refused = (error: unknown) => {
      expected(error);
      this.#tracker.damage('alive', '-');
    };
    try {
      const answer = this.#o.vswitch.renew(this.#tracker.actual('alive', '-'));
      if (answer !== undefined) this.#asking.wait(answer, null, () => {}, refused);
    } catch (error) {
      refused(error);
      this.flush();
    }
  }

  /** An interface came, went or changed its bridge; null: some may have. */
  interfaceChanged(name: string | null): void {
    if (this.want((desired) => desired.moved(name))) this.flush();
  }

  /** Reads the switch again and repairs what differs; returns how many entries somebody else changed, null: it is not listed yet. */
  resync(): number | null {
    this.counters.resyncs++;
    this.#listDue = 'drift';
    this.#found = null;
    this.flush();
    return this.#found;
  }

  /** For switches that cannot hook an interface before it exists: it exists now, so hook it, before anything else. */
  interfaceAppeared(name: string): FlushOutcome | null {
    if (this.#o.vswitch.hooksByName || !this.#hooks.appeared(name, this.#asking.isOpen)) return null;
    return this.flush();
  }

  /** Has the switch acknowledged what was last said of this HAVIP? */
  isProgrammed(havipIndex: number): boolean {
    const key = this.#desired.keyOf(havipIndex);
    if (key === null || this.#tracker.isDirty('holder', key)) return false;
    // What is on its way may undo what is there, and is wanted again.
    return !(this.#asking.changes?.some((change) => isOf(change, 'holder', key)) ?? false);
  }

  /** Does the switch have this, by its last acknowledgement, whether or not it is still wanted? */
  has(havipIndex: number, binding: Binding | null): boolean {
    return this.#desired.has(havipIndex, binding);
  }

  /** Commits all differences in one transaction (a start or a big reload: in few); those refused earlier when their retry is due. */
  flush(): FlushOutcome {
    const startedNs = this.#o.clock.nowNs();
    if (this.#asking.isOpen) {
      if (startedNs < (this.#asking.untilNs ?? Infinity)) return this.#outcome('asked', 0, startedNs);
      return this.#giveUp(startedNs);
    }
    if (this.#batch !== null) {
      const outcome = this.#send(this.#batch, startedNs);
      if (outcome.state === 'asked') return outcome;
    }
    const isDue = this.#trouble.retryNs !== null && startedNs >= this.#trouble.retryNs;
    if (isDue || this.#listDue !== 'no') {
      const outcome = this.#list(isDue, startedNs);
      if (outcome !== null) return outcome;
    }
    if (this.#needsList) return this.#outcome('waiting', 0, startedNs);
    const changes = this.#tracker.changes();
    if (changes.length === 0) {
      if (this.#tracker.dirtyCount > 0) return this.#outcome('waiting', 0, startedNs);
      this.#clear();
      return this.#outcome('clean', 0, startedNs);
    }
    return this.#send((this.#batch = new Bisection(changes, this.#tracker, this.#o.vswitch)), startedNs);
  }

  /** No answer means anything any more; what is on its way may still be done. */
  close(): void {
    this.#asking.close();
  }

  /** null: it is listed. */
  #list(isDue: boolean, startedNs: number): FlushOutcome | null {
    if (isDue) this.#tracker.forgive();
    const isDrift = this.#listDue === 'drift';
    this.#listDue = 'no';
    try {
      const answer = this.#o.vswitch.list();
      if (!(answer instanceof Promise)) {
        this.#listed(answer, isDrift);
        return null;
      }
      // Else the answer would find the same retry due.
      if (isDue) this.#trouble.retryNs = null;
      this.#asking.wait(
        answer,
        null,
        (entries) => this.#listed(entries, isDrift),
        (error) => void this.#fail(error, []),
      );
    } catch (error) {
      return this.#fail(error, [], startedNs);
    }
    return this.#outcome('asked', 0, startedNs);
  }

  #listed(entries: readonly Entry[], isDrift: boolean): void {
    this.#needsList = false;
    const drifted = this.#tracker.listed(entries);
    if (!isDrift) return;
    this.#found = this.#drifted = drifted;
    if (drifted > 0)
      this.#o.log.warn(`vswitch ${this.#o.vswitch.name}: ${drifted} entries were changed by somebody else; repairing`);
  }

  /** Sends part after part, as long as each is answered at once. */
  #send(batch: Bisection, startedNs: number): FlushOutcome {
    const { clock, vswitch } = this.#o;
    for (let part = batch.next(); part !== null; part = batch.next()) {
      const sentNs = clock.nowNs();
      const changes = part;
      this.counters.attempts++;
      let answer;
      try {
        answer = vswitch.commit(changes);
      } catch (error) {
        this.#refused(batch, changes, sentNs, error);
        continue;
      }
      if (answer === undefined) {
        this.#acknowledged(batch, changes, sentNs);
        continue;
      }
      this.#asking.wait(
        answer,
        changes,
        () => this.#acknowledged(batch, changes, sentNs),
        (error) => this.#refused(batch, changes, sentNs, error),
      );
      return this.#outcome('asked', batch.committed, startedNs);
    }
    return this.#finish(batch, startedNs);
  }

  #acknowledged(batch: Bisection, changes: readonly Change[], sentNs: number): void {
    this.#committed(sentNs);
    batch.acknowledged(changes);
    this.#tracker.acknowledge(changes);
  }

  #refused(batch: Bisection, changes: readonly Change[], sentNs: number, error: unknown): void {
    this.counters.failures++;
    this.#committed(sentNs);
    batch.failed(changes, expected(error));
  }

  #committed(sentNs: number): void {
    this.#ackedNs = this.#o.clock.nowNs();
    this.#o.onCommit?.(this.#ackedNs - sentNs);
  }

  #finish({ error, refused, committed }: Bisection, startedNs: number): FlushOutcome {
    this.#batch = null;
    if (error !== null) return this.#fail(error, refused, startedNs, committed);
    this.counters.driftRepaired += this.#drifted;
    this.#drifted = 0;
    if (this.#tracker.refusedCount === 0) this.#clear();
    return this.#outcome('committed', committed, startedNs);
  }

  #giveUp(startedNs: number): FlushOutcome {
    if (this.#asking.changes !== null) this.counters.failures++;
    this.#batch = null;
    return this.#fail(new VSwitchError('unavailable', this.#asking.giveUp()), [], startedNs);
  }

  #answered(isLate: boolean): void {
    if (!isLate) this.#hooks.answered();
    else if (this.#listDue === 'no') this.#listDue = 'late';
    this.#o.onAnswer?.(this.#o.clock.nowNs());
  }

  #fail(thrown: unknown, refused: readonly Change[], startedNs = this.#o.clock.nowNs(), committed = 0): FlushOutcome {
    const error = expected(thrown);
    this.#tracker.refuse(refused);
    this.#needsList ||= error.kind === 'unavailable';
    this.#drifted = 0;
    this.#trouble.note(error.message);
    return this.#outcome('failed', committed, startedNs);
  }

  #clear(): void {
    this.#trouble.clear();
    this.#asking.trust();
  }

  #outcome(state: FlushOutcome['state'], committed: number, startedNs: number): FlushOutcome {
    const ackedNs = committed > 0 ? this.#ackedNs : this.#o.clock.nowNs();
    return { state, committed, startedNs, ackedNs, error: this.#trouble.message };
  }
}

/** Anything but a VSwitchError is a defect, and nobody's to handle. */
function expected(error: unknown): VSwitchError {
  if (!(error instanceof VSwitchError)) throw error;
  return error;
}

function isOf({ before, after }: Change, kind: EntryKind, key: string): boolean {
  const entry = after ?? before;
  return entry !== null && entry.kind === kind && entry.key === key;
}
