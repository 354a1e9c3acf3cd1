/** Who holds a HAVIP: the one value of which the ledger, the virtual switch, the recorder and other hosts speak. */
import type { Mac } from './mac.ts';
import type { Port } from './network.ts';

export interface Binding {
  readonly instance: string;
  /** Id of the holder's hypervisor; null: this one. */
  readonly host: string | null;
  /** Index of the holder's port; null: it is on another host. */
  readonly port: number | null;
  /** Where packets to the holder leave this host: its port's interface. */
  readonly interface: string;
  /** The claim's sender, which may be a VRRP virtual MAC. */
  readonly mac: Mac;
  /** Grows with every change of the HAVIP's binding. */
  readonly epoch: number;
  /** Wall-clock milliseconds, for people; survives a restart in the switch. */
  readonly sinceMs: number;
}

/** Of a holder elsewhere of whom nobody has told yet: found in the switch after a restart. */
export const UNKNOWN = '?';

/** A HAVIP is bound anew, or let go: what is decided, for the switch to hold. */
export interface Rebinding {
  /** Index of the HAVIP. */
  readonly havip: number;
  readonly epoch: number;
  /** The claim that did it; null when it was a link, the end of a wait, a reload. */
  readonly capturedNs: number | null;
  /** null: nobody holds it. */
  readonly binding: Binding | null;
}

/** A binding to a port of this host. */
export function bindingHere(port: Port, mac: Mac, epoch: number, sinceMs: number): Binding {
  const { instance, index, interface: name } = port;
  return { instance, host: null, port: index, interface: name, mac, epoch, sinceMs };
}

/** A binding to a place beyond an uplink. */
export function bindingElsewhere(
  instance: string,
  host: string,
  uplink: string,
  mac: Mac,
  epoch: number,
  sinceMs: number,
): Binding {
  return { instance, host, port: null, interface: uplink, mac, epoch, sinceMs };
}
