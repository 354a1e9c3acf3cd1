/**
 * Replay, the cold half: claims in the file's order -> a ledger whose clock is the file's own. Main thread.
 *
 * There is no switch: every binding counts as programmed at once, and that phase, which nobody measured, is left out. Claims that exceed the live workers' budgets are absorbed here,
 * in the file's order, so that the answer does not depend on how the file was cut for the workers; these have left out what would be
 * absorbed in any case.
 */
import { bindingHere } from '../base/binding.ts';
import type { Network } from '../base/network.ts';
import type { CaptureFile } from '../pcap/file.ts';
import type { Note } from '../pcap/notes.ts';
import { viewOf } from '../decode/bytes.ts';
import { Budgets } from '../lane/budget.ts';
import { markOf, Samples } from '../lane/samples.ts';
import { readClaim } from '../lane/reader.ts';
import * as SLOT from '../lane/slot.ts';
import { ClaimTape } from '../lane/tape.ts';
import type { Failover, LedgerEvent, PhasesMs } from '../ledger/effects.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { HavipView } from '../ledger/view.ts';
import type { Merged } from './merge.ts';
import type { JudgedRange } from './range.ts';

export interface ReplayedHistory {
  /** ISO 8601, of the first frame; null when the file says no times. */
  readonly from: string | null;
  /** From the first frame to the last; null when the file says no times. */
  readonly spanMs: number | null;
  /** `absorbed`: repetitions beyond the budget of their port and HAVIP. */
  readonly claims: { takeover: number; refresh: number; release: number; deferred: number; absorbed: number };
  /** Those that somebody spoke of, as they stand at the end of the file. */
  readonly havips: readonly ReplayedHavip[];
  readonly failovers: readonly ReplayedFailover[];
  /** The first of them, at most MAX_EVENTS. */
  readonly events: readonly ReplayedEvent[];
}

export interface ReplayedHavip extends Omit<HavipView, 'lastFailover'> {
  readonly lastFailover: Omit<ReplayedFailover, 'havip' | 'epoch' | 'cause'> | null;
}

/** Without what only a live agent measures, and without times where the file says none. */
export interface ReplayedFailover extends Omit<Failover, 'at' | 'phasesMs'> {
  readonly havip: string;
  readonly at: string | null;
  readonly phasesMs: Readonly<Partial<PhasesMs>>;
}

export interface ReplayedEvent extends Omit<LedgerEvent, 'at' | 'phasesMs'> {
  readonly at: string | null;
  readonly phasesMs: Readonly<Partial<PhasesMs>> | null;
}

const MAX_EVENTS = 10_000;
const { CAPTURED_NS, FRAME_AT, HAVIP, KIND, LENGTH, PORT, REFUSED, VERDICT } = SLOT;

export class ReplayLedger {
  readonly #network: Network;
  readonly #ledger: Ledger;
  readonly #baseMs: number;
  readonly #budgets = new Budgets();
  readonly #samples: Samples;
  /** By HAVIP. */
  readonly #spokenOf: Uint8Array;
  readonly #failovers: ({ havip: string } & Failover)[] = [];
  readonly #events: LedgerEvent[] = [];
  #absorbed = 0;
  /** Claims that stand behind a later one in the file: its history is wrong then, see merge.ts. */
  stepsBack = 0;
  readonly #firstNs: number;
  /** The clock: the latest time of what was told so far. */
  #nowNs = Number.NaN;
  /** The budgets' clock, that of claims alone: a worker can keep it too. */
  #claimsNs = Number.NaN;
  /** Time of the last frame that says one. */
  #lastNs = Number.NaN;

  /** In order of time. */
  readonly #notes: Note[];

  constructor(network: Network, host: string, file: CaptureFile, notes: readonly Note[] = []) {
    this.#network = network;
    this.#spokenOf = new Uint8Array(network.havips.length);
    this.#samples = new Samples(network.ports.length);
    this.#ledger = new Ledger({ network, host, limits: { asks: false } });
    this.#baseMs = file.baseSeconds * 1000;
    this.#notes = notes.toSorted((a, b) => this.#timeOf(a) - this.#timeOf(b));
    this.#firstNs = this.#nowNs = this.#claimsNs = this.#lastNs = file.firstNs;
  }

  take(range: JudgedRange): void {
    const tape = new ClaimTape(range.claims);
    let refused = 0;
    for (let slot = 0; slot < tape.bytes.length; slot = tape.after(slot)) {
      const isSample = tape.words[(slot >> 2) + KIND] === REFUSED;
      this.#takeClaim(tape, slot, isSample ? range.refusedSeconds[refused++]! : 0);
    }
    this.#takeRest(range);
  }

  /** The same of a whole file, its claims in order of time. */
  takeMerged(range: JudgedRange, { claims, steps }: Merged): void {
    for (const { tape, slot, second } of claims) this.#takeClaim(tape, slot, second);
    this.#takeRest(steps.length > 0 ? { ...range, claimsUntilNs: this.#nowNs, lastNs: this.#nowNs } : range);
  }

  #takeRest(range: Pick<JudgedRange, 'absorbed' | 'claimsUntilNs' | 'lastNs'>): void {
    this.#absorbed += range.absorbed;
    this.#claimsNs = Math.max(this.#claimsNs, range.claimsUntilNs);
    if (!Number.isNaN(range.lastNs)) this.#lastNs = Math.max(this.#lastNs, range.lastNs);
  }

  #takeClaim(tape: ClaimTape, slot: number, refusedSecond: number): void {
    const { words, doubles } = tape;
    const word = slot >> 2;
    const verdict = words[word + VERDICT]!;
    const port = words[word + PORT]!;
    const havip = words[word + HAVIP]!;
    const kind = words[word + KIND]!;
    const capturedNs = doubles[slot / 8 + CAPTURED_NS]!;
    if (kind === REFUSED) {
      // One of each address and second, wherever the file was cut.
      const mark = markOf(viewOf(tape.bytes), slot + FRAME_AT, words[word + LENGTH]!, havip);
      if (!this.#samples.take(port, verdict, mark, refusedSecond)) return;
    } else {
      if (capturedNs > this.#claimsNs) this.#claimsNs = capturedNs;
      if (!this.#budgets.take(kind, port, havip, this.#claimsNs)) {
        this.#absorbed++;
        return;
      }
    }
    if (capturedNs < this.#nowNs) this.stepsBack++;
    const nowNs = Math.max(this.#nowNs, this.#claimsNs, capturedNs);
    this.#nowNs = doubles[slot / 8 + CAPTURED_NS] = nowNs;
    this.#pass(nowNs);
    if (havip >= 0) this.#spokenOf[havip] = 1;
    this.#ledger.take(readClaim(tape, slot), nowNs, this.#wallMs());
    this.#goOnTo(nowNs);
  }

  /** Nanoseconds from the file's base second. */
  #timeOf(note: Note): number {
    return Number(BigInt(note.atNs) - BigInt(this.#baseMs) * 1_000_000n);
  }

  /** Lets everything happen that was due before, and what the recorder noted beside frames. */
  #pass(untilNs: number): void {
    for (let note = this.#notes[0]; note !== undefined && this.#timeOf(note) <= untilNs; note = this.#notes[0]) {
      this.#notes.shift();
      this.#passTime(this.#timeOf(note));
      this.#takeNote(note, this.#timeOf(note));
      this.#goOnTo(this.#timeOf(note));
    }
    this.#passTime(untilNs);
  }

  #takeNote(note: Note, atNs: number): void {
    const port = this.#network.ports.find((one) => one?.interface === note.interface) ?? null;
    if (port === null) return;
    const wallMs = this.#baseMs + atNs / 1e6;
    if (note.kind === 'link') {
      this.#ledger.link({ port: port.index, state: note.state, ifindex: note.ifindex, atNs }, wallMs);
      return;
    }
    const havip = this.#network.havips.find((one) => one?.id === note.havip)?.index;
    if (havip === undefined) return;
    this.#spokenOf[havip] = 1;
    this.#ledger.adopt(havip, bindingHere(port, note.mac, note.epoch, note.sinceMs), atNs, wallMs);
  }

  #passTime(untilNs: number): void {
    for (let dueNs = this.#ledger.nextDeadlineNs(); dueNs < untilNs; dueNs = this.#ledger.nextDeadlineNs()) {
      this.#ledger.tick(dueNs, this.#baseMs + dueNs / 1e6);
      this.#goOnTo(dueNs);
    }
  }

  #goOnTo(atNs: number): void {
    // Acknowledging a binding completes a failover, which is an effect again.
    for (let effects = this.#ledger.drain(); effects.length > 0; effects = this.#ledger.drain())
      for (const effect of effects) {
        if (effect.kind === 'bind') this.#ledger.programmed(effect.havip, effect.epoch, atNs);
        else if (effect.kind === 'event' && this.#events.length < MAX_EVENTS) this.#events.push(effect.event);
        else if (effect.kind === 'failover') this.#noteFailover(effect.havip, effect.failover);
      }
  }

  #noteFailover(havip: number, failover: Failover): void {
    const { id = '?' } = this.#network.havips[havip] ?? {};
    this.#failovers.push({ havip: id, ...failover });
  }

  #wallMs(): number {
    return this.#baseMs + this.#nowNs / 1e6;
  }

  finish(): ReplayedHistory {
    const lastNote = this.#notes.at(-1);
    this.#nowNs = Math.max(this.#nowNs, this.#claimsNs, this.#lastNs, lastNote === undefined ? 0 : this.#timeOf(lastNote));
    this.#pass(this.#nowNs);
    this.#ledger.tick(this.#nowNs, this.#wallMs());
    this.#goOnTo(this.#nowNs);
    const views = this.#network.havips.flatMap((one) =>
      one !== null && this.#spokenOf[one.index] === 1 ? [this.#ledger.view(one.index, this.#nowNs)] : [],
    );
    const { takeover, refresh, resign, deferred } = this.#ledger.counters.claims;
    // A frame of 1970 was captured by no clock.
    const timed = this.#baseMs > 0 || this.#nowNs > 0;
    return {
      from: timed ? new Date(this.#baseMs + this.#firstNs / 1e6).toISOString() : null,
      spanMs: timed ? (this.#nowNs - this.#firstNs) / 1e6 : null,
      claims: { takeover, refresh, release: resign, deferred, absorbed: this.#absorbed },
      havips: views.filter((view) => view !== null).map((view) => havipOf(view, timed)),
      failovers: this.#failovers.map((one) => failoverOf(one, timed)),
      events: this.#events.map((one) => eventOf(one, timed)),
    };
  }
}

function havipOf(view: HavipView, timed: boolean): ReplayedHavip {
  const { since, lastFailover: last } = view;
  return {
    ...view,
    since: timed ? since : null,
    lastSeenAgoMs: timed ? view.lastSeenAgoMs : null,
    lastFailover: last === null ? null : failoverOf(last, timed),
  };
}

function failoverOf<F extends Pick<Failover, 'at' | 'phasesMs' | 'advice'>>(one: F, timed: boolean) {
  return { ...one, at: timed ? one.at : null, phasesMs: timed ? measured(one.phasesMs) : {}, advice: timed ? one.advice : null };
}

function eventOf(event: LedgerEvent, timed: boolean): ReplayedEvent {
  const { phasesMs } = event;
  if (timed) return { ...event, phasesMs: phasesMs === null ? null : measured(phasesMs) };
  // Of a failover it ends with how long that took.
  return {
    ...event,
    at: null,
    phasesMs: phasesMs === null ? null : {},
    text: event.text.replace(/ in [\d.]+ ms(: of .*)?$/, ''),
  };
}

/** No switch answered here, and no worker took time to judge; a claim that had to wait did wait. */
function measured(phasesMs: PhasesMs): Partial<PhasesMs> {
  const known: Partial<PhasesMs> = { ...phasesMs };
  delete known.programming;
  if (known.verdict === 0) delete known.verdict;
  return known;
}
