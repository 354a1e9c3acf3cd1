/**
 * Real keepalived in a guest, with the reference configuration as default: VRID 51, PASS 1111, unicast peers, nopreempt,
 * priority 80, garp_master_delay 1, garp_master_refresh 5. Its track_script looks for a file, so that a test can fail it.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import type { LabProcess } from './process.ts';
import { HAVIP } from './topology.ts';
import type { GuestSpec } from './topology.ts';

export type KeepalivedState = 'MASTER' | 'BACKUP' | 'FAULT';

export interface KeepalivedOptions {
  /** Initial state. keepalived ignores nopreempt in `MASTER`. */
  readonly state?: 'MASTER' | 'BACKUP';
  readonly priority?: number;
  readonly version?: 2 | 3;
  /** 224.0.0.18 instead of unicast peers. */
  readonly multicast?: boolean;
  /** Announce with the virtual MAC 00:00:5e:00:01:VRID, from a macvlan. */
  readonly virtualMac?: boolean;
  readonly preempt?: boolean;
  /** Whole seconds in version 2, whole centiseconds in version 3. */
  readonly advertMs?: number;
  readonly vrid?: number;
  /** Of version 2, at most 8 characters. */
  readonly password?: string;
  readonly addresses?: readonly string[];
  /** Seconds between repeated announcements of a master; 0 is keepalived's own default: none. */
  readonly garpRefreshSeconds?: number;
  readonly peers?: readonly string[];
  /** A sync group: for each address a virtual router of its own, with VRIDs from `vrid` on. */
  readonly synchronised?: boolean;
  /** What its track_script asks, in place of the file; failed after so many times. */
  readonly check?: { readonly command: string; readonly fall: number };
  /** Run when it becomes master. */
  readonly notifyMaster?: string;
}

const STATE = /\(VI_1\) Entering (MASTER|BACKUP|FAULT) STATE/;

export class Keepalived {
  readonly process: LabProcess;
  readonly #healthy: string;

  private constructor(process: LabProcess, healthy: string) {
    this.process = process;
    this.#healthy = healthy;
  }

  /** Resolves when keepalived has taken up its first state. */
  static async start(space: Namespace, directory: string, guest: GuestSpec, options: KeepalivedOptions): Promise<Keepalived> {
    const file = (suffix: string) => join(directory, `${guest.instance}.keepalived.${suffix}`);
    const healthy = file('healthy');
    writeFileSync(file('conf'), configuration(guest, options, healthy));
    writeFileSync(healthy, '');
    for (const left of ['pid', 'vrrp.pid']) rmSync(file(left), { force: true }); // of an instance that was killed
    const flags = ['--dont-fork', '--vrrp', '--log-console', '--log-detail'];
    const files = ['--use-file', file('conf'), '--pid', file('pid'), '--vrrp_pid', file('vrrp.pid')];
    const process = space.spawn(['keepalived', ...flags, ...files]);
    const keepalived = new Keepalived(process, healthy);
    await process.line(STATE);
    return keepalived;
  }

  /** The last state it told; undefined before the first. */
  get state(): KeepalivedState | undefined {
    const last = this.process.stderr.findLast((line) => STATE.test(line)) ?? '';
    return STATE.exec(last)?.[1] as KeepalivedState | undefined;
  }

  /** Resolves as soon as it is in this state. */
  async enters(state: KeepalivedState, limitMs?: number): Promise<void> {
    await this.process.when(`${state} state`, () => (this.state === state ? true : undefined), limitMs);
  }

  /** Makes the track_script fail or succeed again. */
  setHealthy(healthy: boolean): void {
    if (healthy) writeFileSync(this.#healthy, '');
    else if (existsSync(this.#healthy)) rmSync(this.#healthy);
  }

  /** A clean end: priority 0, address removed. */
  async stop(): Promise<void> {
    await this.process.stop('SIGTERM');
  }

  /** The guest's keepalived is gone at once; the address stays on its interface. */
  async crash(): Promise<void> {
    await this.process.stop('SIGKILL');
  }
}

export function configuration(guest: GuestSpec, options: KeepalivedOptions, healthy: string): string {
  const { vrid = 51, addresses = [HAVIP], synchronised = false } = options;
  const { check = { command: `/usr/bin/test -e ${healthy}`, fall: 1 } } = options;
  const routers = synchronised
    ? addresses.map((address, i) => ({ ...options, vrid: vrid + i, addresses: [address] }))
    : [{ ...options, vrid, addresses }];
  const names = routers.map((_, i) => `VI_${i + 1}`);
  return `global_defs {
  script_user root
  enable_script_security
}
vrrp_script checkhaproxy {
  script "${check.command}"
  interval 1
  fall ${check.fall}
}
${synchronised ? `vrrp_sync_group ALL {\n  group {\n${names.map((name) => `    ${name}\n`).join('')}  }\n}\n` : ''}${routers
    .map((router, i) => `vrrp_instance ${names[i]} {\n${linesOf(guest, router).join('')}}\n`)
    .join('')}`;
}

/** Of one virtual router. */
function linesOf(guest: GuestSpec, options: KeepalivedOptions & { readonly vrid: number }): string[] {
  const {
    state = 'BACKUP',
    priority = 80,
    version = 2,
    preempt = false,
    advertMs = 1000,
    vrid,
    password = '1111',
    synchronised = false,
  } = options;
  const {
    multicast = false,
    virtualMac = false,
    addresses = [HAVIP],
    garpRefreshSeconds = 5,
    peers = guest.peers,
    notifyMaster,
  } = options;
  const lines = [
    `state ${state}`,
    'interface eth0',
    ...(virtualMac ? [`use_vmac vrrp.${vrid}`, 'vmac_xmit_base'] : []),
    `version ${version}`,
    `virtual_router_id ${vrid}`,
    ...(preempt || state === 'MASTER' ? [] : ['nopreempt']),
    `priority ${priority}`,
    `advert_int ${advertMs / 1000}`,
    ...(version === 2 ? ['authentication {', '  auth_type PASS', `  auth_pass ${password}`, '}'] : []),
    ...(multicast ? [] : [`unicast_src_ip ${guest.address}`, 'unicast_peer {', ...peers.map((peer) => `  ${peer}`), '}']),
    'virtual_ipaddress {',
    ...addresses.map((address) => `  ${address}`),
    '}',
    'garp_master_delay 1',
    `garp_master_refresh ${garpRefreshSeconds}`,
    'track_interface {',
    '  eth0',
    '}',
    // A group is watched as a whole, by its interface.
    ...(synchronised ? [] : ['track_script {', '  checkhaproxy', '}']),
    ...(notifyMaster === undefined ? [] : [`notify_master "${notifyMaster}"`]),
  ];
  return lines.map((line) => `  ${line}\n`);
}
