/** Two hosts: cvm-1 on this one, cvm-2 beyond an uplink. */
import { placeOf } from '../../src/base/elsewhere.ts';
import { formatMac } from '../../src/base/mac.ts';
import type { Havip, Network, Uplink } from '../../src/base/network.ts';
import { V } from '../../src/base/verdict.ts';
import type { Claim } from '../../src/lane/claim.ts';
import { seedNetwork } from '../network.ts';
import { A, B, C, networkWith, type Scene, type Voice } from './scene.ts';

export const uplink: Uplink = { index: 0, interface: 'up0', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true };
export const UP = placeOf(uplink);
export const FAR = 0x0200_ac11_100d;
export const VIRTUAL = 0x0000_5e00_0133;
export const high: Voice = { priority: 80 };
export const [portA, portB] = [seedNetwork.ports[A]!, seedNetwork.ports[B]!];

/** cvm-1 here, cvm-2 on another host. */
export function twoHosts(change: Partial<Havip> = {}, more: Partial<Network> = {}): Network {
  return { ...networkWith(change), ports: [portA, null, seedNetwork.ports[C]!], uplinks: [uplink], ...more };
}

export class Far {
  readonly scene: Scene;
  readonly mac: number;
  constructor(scene: Scene, mac = FAR) {
    this.scene = scene;
    this.mac = mac;
  }
  announce(more: Partial<Claim> = {}): void {
    this.scene.take({ kind: 'announce', port: UP, mac: this.mac, ...more });
  }
  advert(voice: Voice = high): void {
    const vrrp = this.scene.facts(A, voice);
    this.scene.take({
      kind: 'advert',
      port: UP,
      mac: this.mac,
      verdict: V['vrrp-advert'],
      vrrp: { ...vrrp, source: 0xac11100d },
    });
  }
  resign(): void {
    const vrrp = { ...this.scene.facts(A, high), priority: 0, source: 0xac11100d };
    this.scene.take({ kind: 'resign', port: UP, mac: this.mac, verdict: V['vrrp-resign'], vrrp });
  }
  master(): void {
    this.advert();
    this.scene.wait(1);
    for (let i = 0; i < 5; i++) this.announce();
  }
  rarp(mac = this.mac): void {
    this.scene.take({ kind: 'relocate', port: UP, havip: -1, mac, verdict: V['rarp-announce'] });
  }
}

/** What the switch was told last: nobody is null. */
export const pointsAt = (scene: Scene) => {
  const last = scene.binds().at(-1)?.binding ?? null;
  return last === null ? null : `${last.interface} ${formatMac(last.mac)}`;
};
