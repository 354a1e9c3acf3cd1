/**
 * Replay, the cold half: claims in the file's order -> a ledger whose clock is the file's own. Main thread.
 *
 * There is no switch: every binding counts as programmed at once. Claims that exceed the live workers' budgets are absorbed here,
 * in the file's order, so that the answer does not depend on how the file was cut for the workers; these have left out what would be
 * absorbed in any case.
 */
import { bindingHere } from '../base/binding.ts';
import type { Network } from '../base/network.ts';
import type { CaptureFile } from '../pcap/file.ts';
import type { Note } from '../pcap/notes.ts';
import { Budgets, Samples } from '../lane/budget.ts';
import { readClaim } from '../lane/reader.ts';
import * as SLOT from '../lane/slot.ts';
import { ClaimTape } from '../lane/tape.ts';
import type { Failover, LedgerEvent } from '../ledger/effects.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { HavipView } from '../ledger/view.ts';
import type { JudgedRange } from './range.ts';

export interface ReplayedHistory {
  /** ISO 8601, of the first frame; null when the file says no times. */
  readonly from: string | null;
  /** From the first frame to the last. */
  readonly spanMs: number;
  /** `absorbed`: repetitions beyond the budget of their port and HAVIP. */
  readonly claims: { takeover: number; refresh: number; release: number; deferred: number; absorbed: number };
  /** Those that somebody spoke of, as they stand at the end of the file. */
  readonly havips: readonly HavipView[];
  readonly failovers: readonly ({ readonly havip: string } & Failover)[];
  /** The first of them, at most MAX_EVENTS. */
  readonly events: readonly LedgerEvent[];
}

const MAX_EVENTS = 10_000;
const { CAPTURED_NS, HAVIP, KIND, PORT, REFUSED, VERDICT } = SLOT;

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
  readonly #firstNs: number;
  /** The clock: the latest time of what was told so far. Frames of several interfaces may be out of order by a little. */
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
    this.#ledger = new Ledger({ network, host });
    this.#baseMs = file.baseSeconds * 1000;
    this.#notes = notes.toSorted((a, b) => this.#timeOf(a) - this.#timeOf(b));
    this.#firstNs = this.#nowNs = this.#claimsNs = this.#lastNs = file.firstNs;
  }

  take(range: JudgedRange): void {
    this.#takeClaims(new ClaimTape(range.claims), range.refusedSeconds);
    this.#absorbed += range.absorbed;
    this.#claimsNs = Math.max(this.#claimsNs, range.claimsUntilNs);
    if (!Number.isNaN(range.lastNs)) this.#lastNs = range.lastNs;
  }

  #takeClaims(tape: ClaimTape, refusedSeconds: readonly number[]): void {
    const { words, doubles, bytes } = tape;
    let refused = 0;
    for (let slot = 0; slot < bytes.length; slot = tape.after(slot)) {
      const word = slot >> 2;
      const verdict = words[word + VERDICT]!;
      const port = words[word + PORT]!;
      const havip = words[word + HAVIP]!;
      const kind = words[word + KIND]!;
      const capturedNs = doubles[slot / 8 + CAPTURED_NS]!;
      if (kind === REFUSED) {
        // One for each second, wherever the file was cut.
        if (!this.#samples.take(port, verdict, refusedSeconds[refused++]!)) continue;
      } else {
        if (capturedNs > this.#claimsNs) this.#claimsNs = capturedNs;
        if (!this.#budgets.take(kind, port, havip, this.#claimsNs)) {
          this.#absorbed++;
          continue;
        }
      }
      const nowNs = Math.max(this.#nowNs, this.#claimsNs, capturedNs);
      this.#nowNs = doubles[slot / 8 + CAPTURED_NS] = nowNs;
      this.#pass(nowNs);
      if (havip >= 0) this.#spokenOf[havip] = 1;
      this.#ledger.take(readClaim(tape, slot), nowNs, this.#wallMs());
      this.#settle(nowNs);
    }
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
      this.#settle(this.#timeOf(note));
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
      this.#settle(dueNs);
    }
  }

  #settle(atNs: number): void {
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
    this.#settle(this.#nowNs);
    const views = this.#network.havips.flatMap((one) =>
      one !== null && this.#spokenOf[one.index] === 1 ? [this.#ledger.view(one.index, this.#nowNs)] : [],
    );
    const { takeover, refresh, resign, deferred } = this.#ledger.counters.claims;
    return {
      from: this.#baseMs === 0 ? null : new Date(this.#baseMs + this.#firstNs / 1e6).toISOString(),
      spanMs: (this.#nowNs - this.#firstNs) / 1e6,
      claims: { takeover, refresh, release: resign, deferred, absorbed: this.#absorbed },
      havips: views.filter((view) => view !== null),
      failovers: this.#failovers,
      events: this.#events,
    };
  }
}
