/**
 * What the ledger decided beside bindings: events, failovers, frames to send, probes; and what was refused. Main thread. It waits until the turn's commits
 * are done, because a line of log costs as much as a commit.
 */
import type { Clock } from '../base/clock.ts';
import { History } from './history.ts';
import type { Binding } from '../base/binding.ts';
import { interfaceAt, placeOf, uplinksOf } from '../base/elsewhere.ts';
import { vridOf } from '../base/mac.ts';
import type { Injector } from './injector.ts';
import type { Network } from '../base/network.ts';
import type { BindEffect, Effect, LedgerEvent, ProposeEffect, EventKind } from '../ledger/effects.ts';
import { arpAnnouncement, arpQuestion } from './question.ts';
import { describeRefused, Refusals } from './refusals.ts';
import { type Logger, type OnceLog, RateLimit } from '../base/log.ts';
import { reasonOf } from '../base/verdict.ts';
import type { Claim } from '../lane/claim.ts';
import type { Probing } from './probing.ts';

export type Telling = Exclude<Effect, BindEffect | ProposeEffect>;

export interface OutboxOptions {
  readonly log: Logger;
  readonly once: OnceLog;
  readonly clock: Clock;
  readonly probing: Probing;
  /** null: frames are not sent; for an agent that is fed by hand. */
  readonly injector: Injector | null;
  readonly onFailover: (phasesMs: Readonly<Record<string, number>>) => void;
}

const EVENTS_KEPT = 1000;
/** A backup has taken the first in before the next one comes. */
const FRAMES_APART_MS = 1;
/** Of one HAVIP: who makes it move all the time fills no log. The kept events have them all. */
const LINES_PER_MINUTE = 30;
const MINUTE_NS = 60e9;

interface Lines {
  sinceNs: number;
  said: number;
  left: number;
}

/** Events that change who holds a HAVIP. */
const CHANGES: ReadonlySet<string> = new Set<EventKind>(['bound', 'unbound', 'failover', 'migration']);

export class Outbox {
  /** The last ones, oldest first. */
  readonly events: (LedgerEvent & { readonly seq: number })[] = [];
  readonly #listeners = new Set<(event: LedgerEvent & { readonly seq: number }) => void>();
  readonly history = new History();
  /** Of bindings, those that were adopted not among them. */
  changes = 0;
  /** Wall clock; null: none was yet. */
  lastFailoverMs: number | null = null;
  readonly #options: OutboxOptions;
  readonly refusals = new Refusals();
  readonly #refused: RateLimit;
  readonly #waiting: Telling[] = [];
  readonly #lines = new Map<string, Lines>();
  #lookedNs = 0;
  #eventCount = 0;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#refused = new RateLimit(options.clock);
  }

  /** Calls back with each event, in its turn: whoever listens must not take long. Returns what ends that. */
  onEvent(listener: (event: Outbox['events'][number]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  put(effect: Telling, network: Network): void {
    if (effect.kind === 'resign') this.#resign(effect.port, effect.frames, network);
    else this.#waiting.push(effect);
  }

  tell(network: Network): void {
    this.#endMinutes();
    for (const effect of this.#waiting.splice(0)) {
      if (effect.kind === 'event') this.#tellEvent(effect.event);
      else if (effect.kind === 'failover') {
        this.history.add(network.havips[effect.havip]?.id ?? '', effect.failover);
        this.#options.onFailover({ ...effect.failover.phasesMs });
      } else if (effect.kind === 'verify') {
        this.#inject(network, effect.port, arpQuestion(effect.mac, effect.address), 'question to a silent holder');
      } else this.#options.probing.burst(effect.havip);
    }
  }

  /** At once: a backup waits for it, and so do those who want to reach the HAVIP. */
  #resign(port: number, frames: readonly Uint8Array[], network: Network): void {
    const [first, ...later] = frames;
    if (first === undefined) return;
    this.#inject(network, port, first, 'assisted resign');
    if (later.length > 0) setTimeout(() => this.#closed || this.#resign(port, later, network), FRAMES_APART_MS);
  }

  /** The switch has it: who holds under a virtual MAC spoke under its own until now, so it is said beyond the uplinks. */
  programmed(havipIndex: number, binding: Binding | null, network: Network): void {
    const havip = network.havips[havipIndex] ?? null;
    if (havip === null || binding === null || binding.port === null || vridOf(binding.mac) === 0) return;
    for (const uplink of uplinksOf(network, havip.vpc))
      this.#inject(network, placeOf(uplink), arpAnnouncement(binding.mac, havip.address), 'announcement of a virtual MAC');
  }

  /** A sample of what was refused: one line per port, reason, address (with the HAVIP that it names) and second. */
  refused(claim: Claim, network: Network): void {
    const reason = reasonOf(claim.verdict);
    const frame = describeRefused(claim);
    this.refusals.note(claim, frame, this.#options.clock.wallMs());
    const suppressed = this.#refused.allow(`${claim.port} ${reason} ${frame.address} ${claim.havip}`);
    if (suppressed === null) return;
    this.#options.log.warn(
      {
        reason,
        interface: interfaceAt(network, claim.port) ?? undefined,
        instance: network.ports[claim.port]?.instance,
        havip: network.havips[claim.havip]?.id,
        ...frame,
        suppressed,
      },
      'frame refused',
    );
  }

  close(): void {
    this.#closed = true;
    this.#options.injector?.close();
  }

  #tellEvent(event: LedgerEvent): void {
    const numbered = { seq: ++this.#eventCount, ...event };
    if (CHANGES.has(event.kind)) this.changes++;
    if (event.kind === 'failover') this.lastFailoverMs = Date.parse(event.at);
    this.events.push(numbered);
    if (this.events.length > EVENTS_KEPT) this.events.shift();
    for (const listen of this.#listeners) listen(numbered);
    const key = `${event.vpc}/${event.havip}`;
    let lines = this.#lines.get(key);
    if (lines === undefined) this.#lines.set(key, (lines = { sinceNs: this.#options.clock.nowNs(), said: 0, left: 0 }));
    if (lines.said++ < LINES_PER_MINUTE) this.#options.log.info({ ...event, text: undefined }, event.text);
    else lines.left++;
  }

  /** Says how many lines were left out, once a HAVIP's minute is over; looked at once a second. */
  #endMinutes(): void {
    const now = this.#options.clock.nowNs();
    if (this.#lines.size === 0 || now - this.#lookedNs < 1e9) return;
    this.#lookedNs = now;
    for (const [key, { sinceNs, left }] of this.#lines) {
      if (now - sinceNs < MINUTE_NS) continue;
      this.#lines.delete(key);
      const [vpc, havip] = key.split('/');
      if (left > 0) this.#options.log.info({ vpc, havip, left }, `${left} more events of ${havip} in a minute`);
    }
  }

  #inject(network: Network, port: number, frame: Uint8Array, what: string): void {
    const { once, injector } = this.#options;
    const name = interfaceAt(network, port);
    if (name === null || injector === null) return;
    if (injector.inject(name, frame)) once.worked(`inject ${name}`);
    else once.failed(`inject ${name}`, `${what} could not be sent into ${name}`);
  }
}
