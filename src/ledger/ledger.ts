/**
 * The ledger: who holds each HAVIP. Claims, link changes and the passing of time go in, effects come out (effects.ts); nothing
 * here reads a clock, waits or does I/O, so the whole of it runs in a REPL and a replay gives what the live run gave. Main thread.
 *
 * Times: `...Ns` on the monotonic clock of capture, `wallMs` for people. take() first does what was due before the claim's
 * capture, so the answer does not depend on when tick() was called.
 *
 * Queries change nothing. Between take() and drain() they know of every binding, and of what follows from it (cause, failovers, contest, the
 * next deadline) once drain(), catchUp() or the next sign has worked that out; what time alone has brought due they know after tick().
 *
 * One pass for everything that happens (consider.ts): it is noted (intake.ts, evidence.ts, links.ts), rules look at it (contest.ts,
 * withdrawal.ts, due.ts), changes.ts binds and unbinds, and what is next due is set once. record.ts is what is known of one HAVIP.
 */
import type { Binding } from '../base/binding.ts';
import type { Ipv4 } from '../base/address.ts';
import { uplinkAt } from '../base/elsewhere.ts';
import type { Network, Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { countHavips } from '../base/sorted.ts';
import type { Claim, LinkChange } from '../lane/claim.ts';
import { Book, type Counters, type Look, type Sign, type StoreState } from './book.ts';
import {
  acknowledge,
  adopt,
  agree,
  check,
  followLink,
  hear,
  hearBeyond,
  hearUnlisted,
  noteRevision,
  reach,
  relocate,
  relocateBeyond,
  replaceNetwork,
  ruleAgain,
  takeOut,
} from './facts.ts';
import type { Effect, Silence } from './effects.ts';
import { Census, findingsOf, noteRefusal, type FindingCounts } from './findings.ts';
import { glanceAt, type HavipGlance } from './glance.ts';
import { LIMITS, NEVER, type Limits } from './limits.ts';
import { type PortFinding, Unlisted } from './port-findings.ts';
import { claimantOf, isUnheard, newRecord, type HavipRecord } from './record.ts';
import type { RecordedLink, RecorderEntry } from './recorder.ts';
import { comeHere, wouldMove, type StoredBinding } from './stored.ts';
import { rename } from './uplink.ts';
import { heldUnder, noteRefused } from './victims.ts';
import { Vrids } from './vrids.ts';
import { viewOf, type HavipView } from './view.ts';

export interface LedgerOptions {
  readonly network: Network;
  /** Id of this hypervisor. */
  readonly host: string;
  readonly limits?: Partial<Limits>;
  /** The kernel's word on an interface; without it links are believed, and nobody is found hung. */
  readonly look?: Look;
}

export class Ledger {
  readonly #book: Book;
  /** By HAVIP index; made when somebody first speaks of it. */
  readonly #records: (HavipRecord | null)[] = [];
  readonly #unlisted = new Unlisted();
  readonly #census = new Census();
  readonly vrids = new Vrids();
  #havips: number;
  #nowNs = NEVER;

  constructor({ network, host, limits, look }: LedgerOptions) {
    this.#book = new Book(network, host, { ...LIMITS, ...limits }, look ?? null);
    this.#havips = countHavips(network);
    this.vrids.configure(network);
  }

  /** Hands over the effects so far, in order; events come last. */
  drain(): Effect[] {
    this.#book.tell();
    return this.decisions();
  }

  /** Works out what follows from the decisions so far, for who asks before the next drain(). */
  catchUp(): void {
    this.#book.catchUp();
  }

  /** The effects so far without what follows from them: events and failovers, which the next drain() tells. */
  decisions(): Effect[] {
    const { effects } = this.#book;
    if (effects.length > 0) this.#book.effects = [];
    return effects;
  }

  /** A reload: HAVIPs that did not change keep their binding. */
  configure(network: Network, nowNs: number, wallMs: number): void {
    this.#book.catchUp();
    const sign = { atNs: nowNs, takenNs: nowNs, wallMs, claim: null };
    replaceNetwork(this.#book, this.#records, network, sign, (havip) => this.#recordOf(havip));
    this.#havips = countHavips(network);
    this.vrids.configure(network);
  }

  /**
   * A binding that was read back from the switch at start; false when its port or HAVIP is no more, or it may not be there.
   * @param doubted it may be long over: a holder that gives no sign and does not answer loses it
   */
  adopt(havip: number, binding: Binding, nowNs: number, wallMs: number, doubted = false): boolean {
    const record = this.#recordOf(havip);
    return record !== null && adopt(this.#book, record, binding, { atNs: nowNs, takenNs: nowNs, wallMs, claim: null }, doubted);
  }

  /** Somebody is believed to hold it who has given no sign since the start. */
  isUnheard(havip: number): boolean {
    const record = this.#records[havip] ?? null;
    return record !== null && isUnheard(record);
  }

  /** With a store, every decision about a claimant of this host is an effect `propose` as well. */
  setStore(state: StoreState): void {
    this.#book.catchUp();
    this.#book.store = state;
  }

  /** The store's binding; null: nobody's. False: it names an instance of this host that is not here any more. */
  stored(havip: number, stored: StoredBinding | null, nowNs: number, wallMs: number): boolean {
    this.tick(nowNs, wallMs);
    const record = this.#recordOf(havip);
    if (record === null) return true;
    return agree(this.#book, record, stored, { atNs: nowNs, takenNs: nowNs, wallMs, claim: null });
  }

  /** An operator takes it from whoever holds it; a new announcement binds it again. The instance that held it; null: nobody did. */
  unbind(havip: number, why: string, nowNs: number, wallMs: number): string | null {
    this.tick(nowNs, wallMs);
    const record = this.#recordOf(havip);
    return record === null ? null : takeOut(this.#book, record, why, { atNs: nowNs, takenNs: nowNs, wallMs, claim: null });
  }

  /** The store has what was proposed, at this revision. */
  committed(havip: number, revision: number, spreadMs: number | null = null): void {
    this.#book.catchUp();
    const record = this.#records[havip] ?? null;
    if (record !== null) noteRevision(record, revision, spreadMs);
  }

  /** With this holder in place, would the instance's claim still move the HAVIP to this host? */
  stillMoves(havip: number, instance: string, against: StoredBinding, nowNs: number): boolean {
    const record = this.#records[havip] ?? null;
    return record !== null && wouldMove(this.#book, record, instance, against, nowNs);
  }

  /** A living VRRP master that lost to one elsewhere, whose adverts nobody has heard since. */
  again(havip: number, instance: string, sinceNs: number, nowNs: number, wallMs: number): void {
    this.tick(nowNs, wallMs);
    const record = this.#records[havip] ?? null;
    if (record !== null) ruleAgain(this.#book, record, instance, sinceNs, { atNs: nowNs, takenNs: nowNs, wallMs, claim: null });
  }

  /** Who holds it, as the switch was told; null: nobody. */
  bindingOf(havip: number): Binding | null {
    const record = this.#records[havip] ?? null;
    return record === null || record.holder === null ? null : record.binding;
  }

  /** @param nowNs when the ledger got it; the difference to its capture is the verdict phase */
  take(claim: Claim, nowNs: number, wallMs: number): void {
    this.tick(claim.capturedNs, wallMs);
    const port = this.#book.port(claim.port);
    const sign: Sign = { atNs: claim.capturedNs, takenNs: nowNs, wallMs, claim };
    if (port === null) return this.#beyond(claim, sign);
    if (claim.kind === 'relocate') return relocate(this.#book, port, claim, sign);
    if (claim.kind === 'refused') return this.#refused(claim, wallMs);
    if (claim.havip < 0) return hearUnlisted(this.#book, port, claim, sign);
    const record = this.#recordOf(claim.havip);
    if (record === null) return;
    const known = record.holder?.instance === port.instance;
    if (!known && !mayClaim(port, record.havip)) return;
    if (!known && record.holder !== null && claim.mac === port.mac) rename(this.#book, record, port.instance, claim.mac);
    const claimant = claimantOf(record, port.instance, claim.port, claim.mac, this.#book.limits.claimants);
    if (claimant.elsewhere !== null && claimant !== record.holder) comeHere(claimant, claim);
    this.#hearVrid(port, claim);
    hear(this.#book, record, claimant, claim, sign);
  }

  /** By an uplink, or from a port that is no more. */
  #beyond(claim: Claim, sign: Sign): void {
    const uplink = uplinkAt(this.#book.network, claim.port);
    if (uplink === null || claim.kind === 'refused') return;
    if (claim.kind === 'relocate') return relocateBeyond(this.#book, uplink, claim, sign);
    const record = this.#recordOf(claim.havip);
    if (record !== null && hearBeyond(this.#book, record, uplink, claim, sign)) this.#hearVrid(null, claim);
  }

  #hearVrid(port: Port | null, { vrrp, havip, capturedNs }: Claim): void {
    if (vrrp !== null && !vrrp.unicast) this.vrids.hear(port, havip, vrrp.vrid, capturedNs);
  }

  /** A host tells that the instance lost its link there. Where it holds a HAVIP there, that explains what comes. */
  cut(vpc: number, instance: string, host: string, atNs: number): void {
    for (const record of this.#records) {
      const holder = record?.havip.vpc === vpc ? record.holder : null;
      if (holder?.instance === instance && holder.elsewhere?.host === host) holder.cutNs = atNs;
    }
  }

  link(change: LinkChange, wallMs: number): void {
    this.tick(change.atNs, wallMs);
    followLink(this.#book, change, { atNs: change.atNs, takenNs: change.atNs, wallMs, claim: null });
  }

  /** Does what is due. Call it after the claims captured before that time were taken. */
  tick(nowNs: number, wallMs: number): void {
    this.#book.catchUp();
    if (nowNs > this.#nowNs) this.#nowNs = nowNs;
    for (;;) {
      const record = this.#book.deadlines.pop(nowNs);
      if (record === null) return;
      check(this.#book, record, nowNs, wallMs);
    }
  }

  /** Infinity: nothing is due unless something happens. */
  nextDeadlineNs(): number {
    return this.#book.deadlines.nextNs();
  }

  /** Somebody may be waiting for what is due then: the backups of a guest that died. */
  isUrgent(dueNs: number): boolean {
    return dueNs <= this.#book.guardedUntilNs;
  }

  /** The switch has acknowledged the binding of this epoch. */
  programmed(havip: number, epoch: number, atNs: number): void {
    this.#book.catchUp();
    const record = this.#records[havip] ?? null;
    if (record !== null) acknowledge(this.#book, record, epoch, atNs);
  }

  /** An echo reply came from the HAVIP; only the first after a change counts. */
  reachable(havip: number, atNs: number): void {
    this.#book.catchUp();
    if (this.#records[havip]) reach(this.#book, this.#records[havip], atNs);
  }

  /** Its service is silent; null: it answers, or is not asked. No sign of the holder's: it moves nothing. */
  service(havip: number, silence: Silence | null): void {
    this.#book.noteService(havip, silence);
  }

  /** null: no such HAVIP. */
  view(havip: number, nowNs: number = this.#nowNs): HavipView | null {
    const configured = this.#book.network.havips[havip] ?? null;
    return configured === null ? null : viewOf(this.#records[havip] ?? newRecord(configured), this.#book, nowNs);
  }

  views(nowNs: number = this.#nowNs): HavipView[] {
    return this.#book.network.havips.flatMap((havip) => (havip === null ? [] : (this.view(havip.index, nowNs) ?? [])));
  }

  /** Link changes of all ports that the flight recorder has kept, oldest first. */
  get recordedLinks(): readonly RecordedLink[] {
    return this.#book.recorder.links;
  }

  /** The flight recorder's entries in the order of capture. */
  record(havip: number): RecorderEntry[] {
    return this.#book.recorder.entries(havip);
  }

  /** Live: read them again for newer values. */
  get counters(): Counters {
    return this.#book;
  }

  /** What lists are made of, without drawing a HAVIP up. */
  glance(havip: number, nowNs: number, into: HavipGlance): void {
    glanceAt(this.#records[havip] ?? null, nowNs, into);
  }

  bindingsByState(): { bound: number; unbound: number; contested: number } {
    const { bound, contested } = this.#book;
    return { bound, unbound: this.#havips - bound, contested };
  }

  /** Counts findings on, some hundred HAVIPs of them at each call; for a timer. */
  countFindings(nowNs: number): void {
    this.#census.advance(this.#records, (record) => findingsOf(record, this.#book, nowNs));
  }

  /** What is wrong with ports. */
  portFindings(nowNs: number): PortFinding[] {
    return this.#unlisted.findings(this.#book.network, nowNs);
  }

  /** As of the last full count. */
  get findingCounts(): Readonly<FindingCounts> {
    return this.#census.counts;
  }

  /** The switch by itself dropped a packet of this port, because of this HAVIP; -1: of none. */
  refusedBySwitch(port: Port, havip: number, verdict: number, atNs: number): void {
    const record = this.#recordOf(havip);
    if (record !== null) noteRefusal(record, port, verdict, false, atNs);
  }

  /** Index of the HAVIP with this address, or -1. */
  havipAt(vpc: number, address: Ipv4): number {
    return this.#book.havipAt(vpc, address);
  }

  /** A HAVIP of the VPC that is held under the virtual MAC of this VRID, or -1. */
  heldUnder(vpc: number, vrid: number): number {
    return heldUnder(this.#records, vpc, vrid);
  }

  /** null: nobody has told of this port's link yet. */
  linkState(port: number): LinkChange['state'] | null {
    return this.#book.links.state(port);
  }

  #recordOf(havip: number): HavipRecord | null {
    const known = this.#records[havip];
    if (known !== undefined && known !== null) return known;
    const configured = this.#book.network.havips[havip] ?? null;
    if (configured === null) return null;
    // Grown in order: a hole would turn the array into a hash table.
    while (this.#records.length <= havip) this.#records.push(null);
    return (this.#records[havip] = newRecord(configured));
  }

  #refused(claim: Claim, wallMs: number): void {
    const port = this.#book.port(claim.port);
    if (port === null) return;
    this.#unlisted.note(claim, port.interface);
    noteRefused(this.#book, claim, port, wallMs, (havip) => this.#recordOf(havip));
  }
}
