/**
 * When the main thread takes what is waiting, and how much of it at a time: at once when there is little, few transactions when there
 * is much. What is done with it is the agent's (agent.ts).
 */
import type { Clock } from '../base/clock.ts';
import type { Claim, ClaimSource, LinkChange } from '../lane/claim.ts';
import type { Inbox } from '../lane/inbox.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { Gather, Rest } from './gather.ts';

/**
 * A turn ends after so many changes or so long, and the rest comes in the next: each change is a line in the log or two, and others
 * (health, metrics, timers) wait meanwhile. A whole sync group still becomes one transaction.
 */
const CHANGES_PER_TURN = 64;
const TURN_MS = 8;
/** A sync group of half a usual size. */
const MANY_CHANGES = 25;
const REST_MS = 20;
/** A timer of the event loop is up to so much late; one that is so much shorter is never late. */
const TIMER_MS = 1;

/** What a turn is made of. */
export interface TurnWork {
  take(claim: Claim): void;
  link(change: LinkChange): void;
  /** Programs what the ledger decided. */
  decide(): void;
  /** What can wait until the switch has it. */
  tell(): void;
  /** At the end of a turn: holders that nobody desires go from the switch, once the workers have told of every port. */
  letHoldersGo(): void;
  /** When the switch is to be tried again; null: nothing is open. */
  retryNs(): number | null;
}

export interface TurnParts {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly inbox: Inbox;
  /** Called when there is rest after many changes. */
  readonly onRest: () => void;
}

export class Turns {
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #inbox: Inbox;
  readonly #work: TurnWork;
  readonly #gather = new Gather();
  readonly #rest: Rest;
  #alarm: NodeJS.Timeout | null = null;
  #round: NodeJS.Immediate | null = null;
  #nextTurn: NodeJS.Immediate | null = null;
  #stopped = false;

  constructor({ clock, ledger, inbox, onRest }: TurnParts, work: TurnWork) {
    this.#clock = clock;
    this.#ledger = ledger;
    this.#inbox = inbox;
    this.#rest = new Rest(MANY_CHANGES, REST_MS, onRest);
    this.#work = work;
  }

  /** Starts to take what the sources bring, until stop(). */
  run(): void {
    for (const source of this.#inbox.sources) void this.#listen(source);
    this.turn();
  }

  /** Takes what is waiting, as much as a turn allows, and does what follows from it. */
  turn(): void {
    const { claims } = this.#ledger.counters;
    const changesMost = claims.takeover + CHANGES_PER_TURN;
    const untilNs = this.#clock.nowNs() + TURN_MS * 1e6;
    this.#takeUntil(() => claims.takeover >= changesMost || this.#clock.nowNs() > untilNs);
    this.#work.decide();
    // What was due can wait for what was claimed.
    this.#ledger.tick(this.#inbox.doneUntilNs(this.#clock.nowNs()), this.#clock.wallMs());
    this.#work.decide();
    this.#work.tell();
    this.#work.letHoldersGo();
    this.setAlarm();
    this.#rest.after(claims.takeover);
  }

  /** A transaction was begun at this time, and is committed. */
  committed(startedNs: number): void {
    this.#gather.committed(startedNs);
  }

  /** Comes back when something is due, or at once for what a turn left. */
  setAlarm(): void {
    if (this.#inbox.hasMore) this.#nextTurn ??= setImmediate(() => this.#goOn());
    this.#clearAlarm();
    const dueNs = Math.min(this.#ledger.nextDeadlineNs(), this.#work.retryNs() ?? Infinity);
    if (dueNs === Infinity || this.#stopped) return;
    if (this.#ledger.isUrgent(dueNs)) {
      this.#approach(dueNs);
      return;
    }
    const inMs = Math.min(2 ** 31 - 1, Math.max(0, Math.ceil((dueNs - this.#clock.nowNs()) / 1e6)));
    this.#alarm = setTimeout(() => void this.#turnTogether(), inMs);
  }

  /**
   * A turn at that time and not a millisecond or two later, as timers are (npm run bench -- notice: median 1.1 ms with them): the last
   * of it the event loop goes round and round, so others have their turns meanwhile.
   */
  #approach(dueNs: number): void {
    const leftMs = (dueNs - this.#clock.nowNs()) / 1e6;
    if (leftMs >= 1 + TIMER_MS) this.#alarm = setTimeout(() => this.#approach(dueNs), Math.floor(leftMs) - TIMER_MS);
    else this.#round = setImmediate(() => (this.#clock.nowNs() < dueNs ? this.#approach(dueNs) : this.turn()));
  }

  #clearAlarm(): void {
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    if (this.#round !== null) clearImmediate(this.#round);
    [this.#alarm, this.#round] = [null, null];
  }

  stop(): void {
    this.#stopped = true;
    this.#clearAlarm();
    if (this.#nextTurn !== null) clearImmediate(this.#nextTurn);
    this.#rest.stop();
  }

  async #listen(source: ClaimSource): Promise<void> {
    while (!this.#stopped) {
      await source.wait();
      await this.#turnTogether();
    }
  }

  /** A turn, but not so soon after a transaction that claims which belong together would need another one. */
  async #turnTogether(): Promise<void> {
    await this.#gather.wait(this.#clock);
    if (!this.#stopped) this.turn();
  }

  /** The rest of what a turn left, after others had theirs. */
  #goOn(): void {
    this.#nextTurn = null;
    if (!this.#stopped) this.turn();
  }

  #takeUntil(isOver: () => boolean): void {
    this.#inbox.fill();
    const { claims } = this.#ledger.counters;
    let decided = claims.takeover;
    for (let one = this.#inbox.next(); one !== null; one = isOver() ? null : this.#inbox.next()) {
      if ('kind' in one) this.#work.take(one);
      else this.#work.link(one);
      if (claims.takeover === decided || this.#inbox.hasUrgent) continue;
      // It need not wait for the evidence that came after it. To decide as soon as a sender repeats itself, before the urgent ones are
      // all taken, won nothing: 50 HAVIPs 2.98 against 3.01 ms (bench `group`, medians of 5 runs each by turns; 8 busy ones 3.16, 3.21).
      decided = claims.takeover;
      this.#work.decide();
    }
  }
}
