/** A ledger on the seed's network and guests that speak as real ones do: keepalived's bursts and adverts, a script's arping. */
import type { Effect, EventKind, Failover, LedgerEvent } from '../../src/ledger/effects.ts';
import type { Look } from '../../src/ledger/book.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import type { Limits } from '../../src/ledger/limits.ts';
import type { Havip, Network } from '../../src/base/network.ts';
import { must } from '../../src/base/assert.ts';
import { V } from '../../src/base/verdict.ts';
import type { Claim, ClaimKind, VrrpFacts } from '../../src/lane/claim.ts';
import { CVM1, CVM2, CVM3, HAVIP1, seedNetwork } from '../network.ts';

export const A = CVM1;
export const B = CVM2;
export const C = CVM3;
export { HAVIP1 };

const WALL0 = Date.UTC(2026, 0, 1);

export interface Voice {
  priority: number;
  version?: 2 | 3;
  intervalMs?: number;
  auth?: VrrpFacts['auth'];
  destination?: number;
  unicast?: boolean;
  vrid?: number;
}

/** The seed's network with the first HAVIP changed; cvm-3 may be made a member too. */
export function networkWith(change: Partial<Havip>): Network {
  const havips = seedNetwork.havips.map((havip) => (havip?.index === HAVIP1 ? { ...havip, ...change } : havip));
  return { ...seedNetwork, havips };
}

export class Scene {
  readonly ledger: Ledger;
  readonly network: Network;
  readonly effects: Effect[] = [];
  /** Acknowledge each bind so long after it; null: never. */
  ackMs: number | null = 0.1;
  nowMs = 10_000;

  constructor(network: Network = seedNetwork, limits: Partial<Limits> = {}, look?: Look) {
    this.network = network;
    this.ledger = new Ledger({ network, host: 'host-a', limits, ...(look === undefined ? {} : { look }) });
  }

  get wallMs(): number {
    return WALL0 + this.nowMs;
  }

  get nowNs(): number {
    return this.nowMs * 1e6;
  }

  /** Time passes; the ledger's alarm rings when it is due. */
  wait(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const dueNs = this.ledger.nextDeadlineNs();
      if (dueNs > untilMs * 1e6) break;
      this.nowMs = Math.max(this.nowMs, dueNs / 1e6);
      // A fraction of a millisecond may come out as less than it was.
      this.ledger.tick(Math.max(this.nowNs, dueNs), this.wallMs);
      this.#act();
    }
    this.nowMs = untilMs;
    this.ledger.tick(this.nowNs, this.wallMs);
    this.#act();
  }

  take(claim: Partial<Claim> & { port: number; kind: ClaimKind }): void {
    const mac = claim.mac ?? must(this.network.ports[claim.port], 'port').mac;
    const havip = claim.havip ?? HAVIP1;
    this.ledger.take(
      {
        verdict: V['havip-claim'],
        havip,
        mac,
        capturedNs: this.nowNs,
        vrrp: null,
        frame: new Uint8Array(0),
        ...claim,
      },
      this.nowNs + 0.05e6,
      this.wallMs,
    );
    this.#act();
  }

  announce(port: number, more: Partial<Claim> = {}): void {
    this.take({ kind: 'announce', port, ...more });
  }

  /** A unicast answer to an ARP request, not an announcement. */
  answer(port: number): void {
    const frame = new Uint8Array(42);
    frame.set([0x08, 0x06], 12);
    frame.set([172, 17, 16, 3], 28);
    frame.set([172, 17, 16, 1], 38);
    this.announce(port, { frame });
  }

  advert(port: number, voice: Voice, more: Partial<Claim> = {}): void {
    this.take({ kind: 'advert', port, verdict: V['vrrp-advert'], vrrp: this.facts(port, voice), ...more });
  }

  resign(port: number, voice: Voice, more: Partial<Claim> = {}): void {
    const vrrp = { ...this.facts(port, voice), priority: 0 };
    this.take({ kind: 'resign', port, verdict: V['vrrp-resign'], vrrp, ...more });
  }

  facts(port: number, voice: Voice): VrrpFacts {
    const version = voice.version ?? 2;
    return {
      version,
      vrid: voice.vrid ?? 51,
      priority: voice.priority,
      intervalMs: voice.intervalMs ?? 1000,
      auth: voice.auth ?? (version === 2 ? 'pass' : 'none'),
      checksum: version === 2 ? 'v2' : 'pseudo',
      unicast: voice.unicast ?? voice.destination !== undefined,
      source: must(this.network.ports[port]?.addresses[0], 'address'),
      destination: voice.destination ?? 0xe0000012,
    };
  }

  /** keepalived becomes master: an advert, and 1 ms later five announcements. */
  master(port: number, voice: Voice): void {
    this.advert(port, voice);
    this.wait(1);
    for (let i = 0; i < 5; i++) this.announce(port);
  }

  /** A master's life: adverts each interval; announces once more after a second, then each `refreshMs` if that is set. */
  live(port: number, voice: Voice, ms: number, refreshMs = 0): void {
    const everyMs = voice.intervalMs ?? 1000;
    for (let t = everyMs; t <= ms; t += everyMs) {
      this.wait(everyMs);
      this.advert(port, voice);
      if (t === 1000 || (refreshMs > 0 && t % refreshMs === 0)) this.announce(port);
    }
  }

  link(port: number, state: 'absent' | 'down' | 'up', ifindex = 10 + port): void {
    this.ledger.link({ port, state, ifindex: state === 'absent' ? 0 : ifindex, atNs: this.nowNs }, this.wallMs);
    this.#act();
  }

  get holder(): string | null {
    return this.ledger.view(HAVIP1)?.holder?.instance ?? null;
  }

  view(havip: number = HAVIP1) {
    return must(this.ledger.view(havip, this.nowNs), 'view');
  }

  events(kind: EventKind): LedgerEvent[] {
    return this.effects.flatMap((effect) => (effect.kind === 'event' && effect.event.kind === kind ? [effect.event] : []));
  }

  failovers(): Failover[] {
    return this.effects.flatMap((effect) => (effect.kind === 'failover' ? [effect.failover] : []));
  }

  binds() {
    return this.effects.flatMap((effect) => (effect.kind === 'bind' ? [effect] : []));
  }

  of<K extends Effect['kind']>(kind: K): Extract<Effect, { kind: K }>[] {
    return this.effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);
  }

  #act(): void {
    for (let effects = this.ledger.drain(); effects.length > 0; effects = this.ledger.drain()) {
      this.effects.push(...effects);
      for (const effect of effects) {
        if (effect.kind === 'bind' && this.ackMs !== null) {
          this.ledger.programmed(effect.havip, effect.epoch, this.nowNs + (0.05 + this.ackMs) * 1e6);
        }
      }
    }
  }
}
