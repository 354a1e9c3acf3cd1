/**
 * A batch of transactions on its way: one entry that the switch refuses must not stop the others, so a refused transaction is halved
 * until the refused entries stand alone. Pure: the owner asks for the next part, sends it, and says what became of it, at once or later.
 *
 * Where it is later, more may be wanted meanwhile. Failovers go before what is left of the batch, and that goes as it is wanted by then.
 */
import type { Tracker } from './tracker.ts';
import type { Change, VSwitch, VSwitchError } from './vswitch.ts';

/** A switch that refuses everything is found out soon; what was not tried of a transaction counts as refused. */
const MAX_REFUSALS = 64;
/** A larger difference (a start, a big reload) goes in several transactions; one turn's claims stay in one. */
const CHANGES_PER_COMMIT = 4096;

export class Bisection {
  readonly refused: Change[] = [];
  committed = 0;
  /** The last one; null when all was committed so far. */
  error: VSwitchError | null = null;
  readonly #transactions: Iterator<readonly Change[]>;
  /** What is left of the transaction in hand, the next one last. */
  readonly #parts: (readonly Change[])[] = [];
  #refusals = 0;
  readonly #tracker: Tracker;
  /** Something was wanted since the batch was made. */
  #isStale = false;
  /** Holders among it, by key. */
  readonly #urgent = new Set<string>();

  constructor(changes: readonly Change[], tracker: Tracker, vswitch: Pick<VSwitch, 'takesAtOnce'> = {}) {
    this.#transactions = vswitch.takesAtOnce?.(changes) === true ? [changes].values() : transactionsOf(changes);
    this.#tracker = tracker;
  }

  /** The tracker was told of something else, while this was on its way. */
  wanted(holderKey: string | null): void {
    this.#isStale = true;
    if (holderKey !== null) this.#urgent.add(holderKey);
  }

  /** null: there is nothing more to send. */
  next(): readonly Change[] | null {
    if (!this.#isStale) return this.#nextPart();
    const urgent = [...this.#urgent].flatMap((key) => this.#tracker.changeOf('holder', key) ?? []);
    this.#urgent.clear();
    if (urgent.length > 0) return urgent;
    for (let part = this.#nextPart(); part !== null; part = this.#nextPart()) {
      const now = this.#tracker.refreshed(part);
      if (now.length > 0) return now;
    }
    return null;
  }

  #nextPart(): readonly Change[] | null {
    const gaveUp = this.error?.kind === 'unavailable';
    if (gaveUp || this.#refusals >= MAX_REFUSALS) for (const part of this.#parts.splice(0)) this.refused.push(...part);
    const part = this.#parts.pop();
    if (part !== undefined || gaveUp) return part ?? null;
    this.#refusals = 0;
    const next = this.#transactions.next();
    return next.done === true ? null : next.value;
  }

  acknowledged(part: readonly Change[]): void {
    this.committed += part.length;
  }

  failed(part: readonly Change[], error: VSwitchError): void {
    this.error = error;
    this.#refusals++;
    if (part.length === 1 || error.kind === 'unavailable') {
      this.refused.push(...part);
      return;
    }
    const middle = part.length >> 1;
    this.#parts.push(part.slice(middle), part.slice(0, middle));
  }
}

/** Kind by kind when they are many: a driver may have a fast way for some kinds. */
function* transactionsOf(changes: readonly Change[]): Generator<readonly Change[], undefined> {
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
