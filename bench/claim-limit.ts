/**
 * What a claim costs at the least on this machine: limit/claim.c in the agent's place, scheduled as the agent is, moves one address after
 * the other between two entries of a table of its own. Its figure is made as the agent's: the kernel's timestamp -> acknowledged.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import type { Lab } from '../native-fixtures/lab/lab.ts';
import { addressOf, type Takeovers } from './takeovers.ts';

const TABLE = 'havip_limit';

export function buildClaimLimit(folder: string): string {
  const program = join(folder, 'claim');
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', program, join(projectRoot(), 'bench/limit/claim.c')]);
  return program;
}

/** Microseconds of so many claims by the second claimant, `pauseMs` apart. The agent must not run. */
export async function measureLimit(rig: Takeovers, program: string, claims: number, pauseMs: number): Promise<number[]> {
  const { lab } = rig;
  const from = lab.guest('cvm-1').spec.tap;
  const to = lab.guest('cvm-2').spec.tap;
  await makeTable(lab, from, rig.macOf(0), claims);
  const limit = lab.host.spawn(['chrt', '--rr', '1', program, to, TABLE, from]);
  try {
    await limit.line(/^ready$/);
    for (let havip = 0; havip < claims; havip++) {
      await sleep(pauseMs);
      rig.burst([rig.frame(havip, 1)], 1);
    }
    await limit.when(`${claims} claims`, () => (limit.stdout.length > claims ? true : undefined));
    return limit.stdout.slice(1).map((ns) => Number(ns) / 1000);
  } finally {
    await limit.stop();
    await lab.host.exec(['nft', 'delete', 'table', 'netdev', TABLE]);
  }
}

async function makeTable(lab: Lab, from: string, mac: string, claims: number): Promise<void> {
  const addresses = Array.from({ length: claims }, (_, havip) => addressOf(havip));
  const holders = addresses.map((address) => `"${from}" . ${address}`).join(', ');
  const flows = addresses.map((address) => `${address} : ${mac}`).join(', ');
  const table = `add table netdev ${TABLE}
add set netdev ${TABLE} holder { type ifname . ipv4_addr; }
add map netdev ${TABLE} flows { type ipv4_addr : ether_addr; }
add element netdev ${TABLE} holder { ${holders} }
add element netdev ${TABLE} flows { ${flows} }
`;
  await lab.host.exec(['nft', '-f', '-'], { input: table });
}
