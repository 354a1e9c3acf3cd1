/**
 * Whose a VRID is where no configuration says it: the first cluster of a VPC that lives with it by multicast owns it, and the guard lets
 * nobody else use it there (RFC 9568, 5.2.3: a VRID names one virtual router on a LAN). By unicast members may use any, as they do who
 * copy the reference configuration. A HAVIP owns two at most, so that one cannot take all 255. Main thread, pure.
 */
import { type Network, NO_NETWORK, type Port } from '../base/network.ts';
import { mayClaim } from '../base/rights.ts';
import { NEVER, NS_PER_MS } from './limits.ts';

const MOST_PER_HAVIP = 2;
/** Free so long after the last advert. */
const FREE_MS = 60_000;

interface Owner {
  readonly havip: number;
  readonly vrid: number;
  lastNs: number;
}

export class Vrids {
  #network: Network = NO_NETWORK;
  /** By VPC and VRID. */
  readonly #owners = new Map<number, Owner>();
  /** Those that the configuration gives to somebody. */
  #configured = new Set<number>();
  readonly #changed = new Set<number>();

  configure(network: Network): void {
    this.#network = network;
    this.#configured = new Set();
    for (const havip of network.havips) if (havip?.vrid) this.#configured.add(keyOf(havip.vpc, havip.vrid));
    for (const [key, { havip }] of this.#owners) {
      const one = network.havips[havip];
      if (!one || one.vrid !== null || this.#configured.has(key)) this.#drop(key, havip);
      else this.#changed.add(havip);
    }
  }

  /** The switch says so from before. */
  adopt(havip: number, vrids: readonly number[], nowNs: number): void {
    const vpc = this.#network.havips[havip]?.vpc;
    if (vpc === undefined) return;
    for (const vrid of vrids.slice(0, MOST_PER_HAVIP)) {
      this.#owners.set(keyOf(vpc, vrid), { havip, vrid, lastNs: nowNs });
      this.#changed.add(havip);
    }
  }

  /** An advert by multicast from somebody who may claim this HAVIP: from this port, or null from another host. */
  hear(port: Port | null, havipIndex: number, vrid: number, atNs: number): void {
    const havip = this.#network.havips[havipIndex];
    if (!havip || havip.vrid !== null || vrid === 0) return;
    const key = keyOf(havip.vpc, vrid);
    if (this.#configured.has(key)) return;
    const owner = this.#owners.get(key);
    if (owner !== undefined) {
      const owned = this.#network.havips[owner.havip];
      if (owned && (port === null ? owned === havip : mayClaim(port, owned))) owner.lastNs = Math.max(owner.lastNs, atNs);
      return;
    }
    if (this.vridsOf(havipIndex).length >= MOST_PER_HAVIP) return;
    this.#owners.set(key, { havip: havipIndex, vrid, lastNs: atNs });
    this.#changed.add(havipIndex);
  }

  /** Gives free what nobody lives with any more. */
  expire(nowNs: number): void {
    for (const [key, { havip, lastNs }] of this.#owners)
      if (lastNs !== NEVER && nowNs - lastNs > FREE_MS * NS_PER_MS) this.#drop(key, havip);
  }

  vridsOf(havip: number): number[] {
    return [...this.#owners.values()].flatMap((owner) => (owner.havip === havip ? [owner.vrid] : []));
  }

  /** As if all had changed. */
  tellAgain(): void {
    for (const { havip } of this.#owners.values()) this.#changed.add(havip);
  }

  /** The HAVIPs of which vridsOf() answers otherwise than at the last call. */
  takeChanged(): number[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  #drop(key: number, havip: number): void {
    this.#owners.delete(key);
    this.#changed.add(havip);
  }
}

function keyOf(vpc: number, vrid: number): number {
  return vpc * 256 + vrid;
}
