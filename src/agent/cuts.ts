/**
 * Links that were lost, told to other hosts: where the next holder is on another one, that host sees no carrier go, and would take the
 * loss for silence. A key `sign` in the store, bound to the life of this host, and deleted when the link is back. It explains and decides
 * nothing: a ledger asks it for the cause alone, and only while nothing was heard of the holder since. Main thread.
 */
import type { Clock } from '../base/clock.ts';
import type { Network } from '../base/network.ts';
import type { Fabric } from '../fabric/fabric.ts';
import type { Item } from '../fabric/records.ts';
import type { LinkChange } from '../lane/claim.ts';
import type { Ledger } from '../ledger/ledger.ts';

interface Here {
  readonly fabric: Fabric;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly host: string;
  readonly isSynced: () => boolean;
  readonly later: (ms: number, act: () => void) => () => void;
}

export class Cuts {
  readonly #here: Here;
  #network: Network;
  /** Told and not taken back, by VPC and instance. */
  readonly #told = new Map<string, { readonly vpc: string; readonly instance: string; readonly port: number }>();

  constructor(here: Here, network: Network) {
    this.#here = here;
    this.#network = network;
  }

  configure(network: Network): void {
    this.#network = network;
    for (const [key, { vpc, instance, port }] of this.#told) {
      if (network.ports[port]?.instance === instance) continue;
      this.#told.delete(key);
      this.#here.fabric.publishSign(vpc, instance, null);
    }
  }

  /** After the ledger has heard of it, and behind what that has to be done at once. */
  linked({ port: index, state, atNs }: LinkChange): void {
    const port = this.#network.ports[index] ?? null;
    const vpc = port === null ? undefined : this.#network.vpcs[port.vpc]?.id;
    if (port === null || vpc === undefined) return;
    const { instance } = port;
    const key = `${vpc} ${instance}`;
    if (state === 'up') {
      if (this.#told.delete(key)) this.#here.fabric.publishSign(vpc, instance, null);
    } else if (!this.#told.has(key))
      this.#here.later(0, () => {
        const { fabric, host, clock, ledger } = this.#here;
        // One that waited for the store would tell of another time.
        const isOver = ledger.linkState(index) === 'up' || !this.#here.isSynced();
        if (isOver || !this.#holds(index) || this.#told.has(key)) return;
        this.#told.set(key, { vpc, instance, port: index });
        fabric.publishSign(vpc, instance, { host, kind: 'link-down', agoMs: Math.max(0, (clock.nowNs() - atNs) / 1e6) });
      });
  }

  /** What another host told, as it came. One that was there before this agent says nothing of when. */
  heard({ vpc: id, id: instance, value }: Extract<Item, { kind: 'sign' }>, nowNs: number): void {
    const { host, ledger } = this.#here;
    const vpc = this.#network.vpcs.findIndex((one) => one?.id === id);
    if (vpc < 0 || value === null || value.host === host) return;
    ledger.cut(vpc, instance, value.host, nowNs - value.agoMs * 1e6);
  }

  #holds(port: number): boolean {
    const { ledger } = this.#here;
    return this.#network.havips.some((havip) => havip !== null && ledger.bindingOf(havip.index)?.port === port);
  }
}
