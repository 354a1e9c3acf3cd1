/**
 * Replay, the cold half: claims in the file's order -> a ledger whose clock is the file's own. Main thread.
 *
 * There is no switch: every binding counts as programmed at once. Claims that exceed the live workers' budgets are absorbed here,
 * in the file's order, so that the answer does not depend on how the file was cut for the workers.
 */
import type { Network } from './base/network.ts';
import { VERDICTS } from './base/verdict.ts';
import type { CaptureFile } from './capture/pcap-file.ts';
import type { Note } from './capture/pcapng-notes.ts';
import { newAdvertBudget, newClaimBudget } from './lane/budget.ts';
import { readClaim } from './lane/reader.ts';
import { ClaimRing } from './lane/ring.ts';
import { ADVERT, REFUSED } from './lane/writer.ts';
import type { Failover, LedgerEvent } from './ledger/effects.ts';
import { Ledger } from './ledger/ledger.ts';
import type { HavipView } from './ledger/view.ts';
import { CLAIM_SLOTS, type JudgedRange } from './replay-range.ts';

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

export class ReplayLedger {
  readonly #network: Network;
  readonly #ledger: Ledger;
  readonly #baseMs: number;
  readonly #claimBudget = newClaimBudget();
  readonly #advertBudget = newAdvertBudget();
  /** By port and verdict: the second of which a refused frame has been told. */
  readonly #refusedSeconds = new Map<number, number>();
  readonly #spokenOf = new Set<number>();
  readonly #failovers: ({ havip: string } & Failover)[] = [];
  readonly #events: LedgerEvent[] = [];
  #absorbed = 0;
  readonly #firstNs: number;
  #nowNs: number;

  /** In order of time. */
  readonly #notes: Note[];

  constructor(network: Network, host: string, file: CaptureFile, notes: readonly Note[] = []) {
    this.#network = network;
    this.#ledger = new Ledger({ network, host });
    this.#baseMs = file.baseSeconds * 1000;
    this.#notes = notes.toSorted((a, b) => this.#timeOf(a) - this.#timeOf(b));
    this.#firstNs = this.#nowNs = file.firstNs;
  }

  take(range: JudgedRange): void {
    for (const block of range.claims) this.#takeBlock(new ClaimRing(block, 0, CLAIM_SLOTS));
    if (range.lastNs > this.#nowNs) this.#nowNs = range.lastNs;
  }

  #takeBlock(ring: ClaimRing): void {
    const { words, doubles } = ring;
    for (let slot = ring.peek(); slot >= 0; ring.release(), slot = ring.peek()) {
      const word = slot >> 2;
      const capturedNs = doubles[slot / 8 + 4]!;
      const [verdict, port, havip, kind] = [words[word]!, words[word + 1]!, words[word + 2]!, words[word + 3]!];
      if (kind === REFUSED && this.#isTold(port * VERDICTS.length + verdict, Math.floor(capturedNs / 1e9) || 0)) continue;
      // Frames of several interfaces may be out of order by a little, and some say no time at all.
      if (capturedNs > this.#nowNs) this.#nowNs = capturedNs;
      doubles[slot / 8 + 4] = this.#nowNs;
      const budget = kind === ADVERT ? this.#advertBudget : this.#claimBudget;
      if (kind !== REFUSED && !budget.take(port, havip, kind, this.#nowNs)) {
        this.#absorbed++;
        continue;
      }
      this.#pass(this.#nowNs);
      if (havip >= 0) this.#spokenOf.add(havip);
      this.#ledger.take(readClaim(ring, slot), this.#nowNs, this.#wallMs());
      this.#settle(this.#nowNs);
    }
  }

  /** A sample of what is refused for each second, wherever the file was cut. */
  #isTold(portVerdict: number, second: number): boolean {
    if (this.#refusedSeconds.get(portVerdict) === second) return true;
    this.#refusedSeconds.set(portVerdict, second);
    return false;
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
    const port = this.#network.ports.find((one) => one?.interface === note.interface)?.index;
    if (port === undefined) return;
    const wallMs = this.#baseMs + atNs / 1e6;
    if (note.kind === 'link') {
      this.#ledger.link({ port, state: note.state, ifindex: note.ifindex, atNs }, wallMs);
      return;
    }
    const havip = this.#network.havips.find((one) => one?.id === note.havip)?.index;
    if (havip === undefined) return;
    this.#spokenOf.add(havip);
    this.#ledger.adopt(havip, { port, mac: note.mac, epoch: note.epoch, sinceMs: note.sinceMs }, atNs, wallMs);
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
    if (lastNote !== undefined) this.#nowNs = Math.max(this.#nowNs, this.#timeOf(lastNote));
    this.#pass(this.#nowNs);
    this.#ledger.tick(this.#nowNs, this.#wallMs());
    this.#settle(this.#nowNs);
    const views = [...this.#spokenOf].sort((a, b) => a - b).map((havip) => this.#ledger.view(havip, this.#nowNs));
    return {
      from: this.#baseMs === 0 ? null : new Date(this.#baseMs + this.#firstNs / 1e6).toISOString(),
      spanMs: (this.#nowNs - this.#firstNs) / 1e6,
      claims: { ...this.#ledger.counters.claims, absorbed: this.#absorbed },
      havips: views.filter((view) => view !== null),
      failovers: this.#failovers,
      events: this.#events,
    };
  }
}
