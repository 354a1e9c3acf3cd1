/**
 * Who holds what right now, beside the policy that says who may: one block of shared memory that the main thread writes and every worker
 * reads. A word that is a moment old costs one claim on the wrong ring, or a verdict that the kernel, which decides, gives otherwise.
 *
 *     ports   by HAVIP: the port that holds it, -1 for none; below that somebody beyond an uplink (lane/far.ts)
 *     vmacs   by VPC and VRID: the HAVIPs that are held under the virtual MAC 00:00:5e:00:01:VRID
 *     vrids   by VPC and VRID: the HAVIPs whose clusters own the VRID, by configuration or as the first that lived with it
 *
 * The last two are linked lists: of a first HAVIP for each name, and a next one for each HAVIP. A worker that walks one while it is
 * changed may come into another; it does not walk for ever.
 */
import type { Network } from '../base/network.ts';
const NOBODY = -1;
export const NAMES = 256;
/** A HAVIP may own a VRID by configuration, or learn two. */
export const VRIDS_MOST = 2;
const HEADER_WORDS = 2;

export class Held {
  readonly memory: SharedArrayBuffer;
  readonly ports: Int32Array<SharedArrayBuffer>;
  readonly vmacs: Names;
  readonly vrids: Names;

  /** Makes a block for so many HAVIPs and VPCs in which nobody holds anything, or attaches to one. */
  constructor(room: SharedArrayBuffer | { readonly havips: number; readonly vpcs: number }) {
    const made = room instanceof SharedArrayBuffer ? null : room;
    this.memory = room instanceof SharedArrayBuffer ? room : new SharedArrayBuffer(bytesFor(room.havips, room.vpcs));
    const header = new Int32Array(this.memory, 0, HEADER_WORDS);
    if (made !== null) header.set([made.havips, made.vpcs]);
    const [havips = 0, vpcs = 0] = header;
    let at = HEADER_WORDS;
    const take = (words: number) => {
      const part = new Int32Array(this.memory, at * 4, words);
      at += words;
      if (made !== null) part.fill(NOBODY);
      return part;
    };
    this.ports = take(havips);
    this.vmacs = new Names(take(vpcs * NAMES), take(havips));
    this.vrids = new Names(take(vpcs * NAMES), take(havips * VRIDS_MOST));
  }

  /** Main thread. `vmac`: the VRID of the virtual MAC that it is held under, 0 for none. */
  hold(vpc: number, havip: number, port: number, vmac: number): void {
    this.vmacs.drop(havip);
    this.ports[havip] = port;
    if (port >= 0 && vmac > 0) this.vmacs.put(vpc * NAMES + vmac, havip);
  }

  /** Main thread: takes over what another one of the same network, or the one before it, has. */
  copy({ ports, vmacs, vrids }: Held): void {
    this.ports.set(ports.subarray(0, this.ports.length));
    this.vmacs.copy(vmacs);
    this.vrids.copy(vrids);
  }

  /** Main thread: the VRIDs that a HAVIP's cluster owns, at most VRIDS_MOST. */
  own(vpc: number, havip: number, vrids: readonly number[]): void {
    for (let i = 0; i < VRIDS_MOST; i++) {
      this.vrids.drop(havip * VRIDS_MOST + i);
      const vrid = vrids[i];
      if (vrid !== undefined) this.vrids.put(vpc * NAMES + vrid, havip * VRIDS_MOST + i);
    }
  }
}

/** Nobody holds anything; clusters own the VRIDs that the configuration gives them. */
export function newHeld(network: Network): Held {
  const held = new Held({ havips: network.havips.length, vpcs: network.vpcs.length });
  for (const havip of network.havips) if (havip !== null && havip.vrid !== null) held.own(havip.vpc, havip.index, [havip.vrid]);
  return held;
}

/** Lists of nodes by name; a node is in one list at most. */
class Names {
  readonly first: Int32Array;
  readonly next: Int32Array;
  /** Main thread alone: the list that a node is in. */
  readonly lists = new Map<number, number>();

  constructor(first: Int32Array, next: Int32Array) {
    this.first = first;
    this.next = next;
  }

  put(name: number, node: number): void {
    this.lists.set(node, name);
    this.next[node] = this.first[name]!;
    this.first[name] = node;
  }

  copy({ lists }: Names): void {
    for (const [node, name] of lists) if (node < this.next.length && name < this.first.length) this.put(name, node);
  }

  drop(node: number): void {
    const name = this.lists.get(node);
    if (name === undefined) return;
    this.lists.delete(node);
    const after = this.next[node]!;
    if (this.first[name] === node) this.first[name] = after;
    else {
      let before = this.first[name]!;
      while (this.next[before] !== node) before = this.next[before]!;
      this.next[before] = after;
    }
    this.next[node] = NOBODY;
  }
}

function bytesFor(havips: number, vpcs: number): number {
  return (HEADER_WORDS + havips * (2 + VRIDS_MOST) + vpcs * NAMES * 2) * 4;
}
