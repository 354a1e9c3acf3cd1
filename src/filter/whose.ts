/** Whose a name is that ports share, seen from one port: from what is held (held.ts) and who may claim it (policy.ts). Hot. */
import * as H from './held.ts';
import { type Policy, portMayClaim } from './policy.ts';

// An imported value is loaded and checked at every use, a constant of the module becomes part of the machine code.
const { NAMES, VRIDS_MOST } = H;

/** Nobody's but the port's. */
export const MINE = 0;
/** Held by a member of a HAVIP that the port may claim too. */
const FELLOWS = 1;
export const OTHERS = 2;

/** Of the virtual MAC 00:00:5e:00:01:VRID. */
export function whoseVmac(policy: Policy, port: number, vpc: number, vrid: number): number {
  const { ports, vmacs } = policy.held;
  const { first, next } = vmacs;
  let answer = MINE;
  let left = next.length;
  for (let havip = first[vpc * NAMES + vrid] ?? -1; havip >= 0 && left > 0; havip = next[havip]!, left--) {
    if (ports[havip] === port) return MINE;
    if (answer !== FELLOWS) answer = portMayClaim(policy, port, havip) ? FELLOWS : OTHERS;
  }
  return answer;
}

/** A HAVIP that is held under the virtual MAC; -1: none. */
export function havipUnderVmac(policy: Policy, vpc: number, vrid: number): number {
  return policy.held.vmacs.first[vpc * NAMES + vrid] ?? -1;
}

/** A HAVIP whose cluster owns the VRID, when none does that the port may claim; -1: the port may use it. */
export function strangerOfVrid(policy: Policy, port: number, vpc: number, vrid: number): number {
  const { first, next } = policy.held.vrids;
  let stranger = -1;
  let left = next.length;
  for (let node = first[vpc * NAMES + vrid] ?? -1; node >= 0 && left > 0; node = next[node]!, left--) {
    stranger = Math.floor(node / VRIDS_MOST);
    if (portMayClaim(policy, port, stranger)) return -1;
  }
  return stranger;
}

/** A HAVIP whose cluster owns the VRID; -1: nobody's does. */
export function ownerOfVrid(policy: Policy, vpc: number, vrid: number): number {
  const node = policy.held.vrids.first[vpc * NAMES + vrid] ?? -1;
  return node < 0 ? -1 : Math.floor(node / VRIDS_MOST);
}
