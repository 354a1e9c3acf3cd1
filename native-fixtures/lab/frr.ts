/** FRR's zebra and vrrpd in a guest, as its manual has it: the virtual MAC is a macvlan that the administrator makes. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Guest } from './guest.ts';
import type { LabProcess } from './process.ts';
import { HAVIP } from './topology.ts';
import { until } from './until.ts';

const VIRTUAL_MAC = '00:00:5e:00:01:33';

export class Frr {
  readonly #zebra: LabProcess;
  readonly #vrrpd: LabProcess;

  private constructor(zebra: LabProcess, vrrpd: LabProcess) {
    this.#zebra = zebra;
    this.#vrrpd = vrrpd;
  }

  /** @param settings lines of vrrpd.conf behind `vrrp 51`, as `priority 80` */
  static async start(guest: Guest, parent: string, version: 2 | 3, settings: readonly string[] = []): Promise<Frr> {
    const directory = join(parent, 'frr');
    mkdirSync(directory);
    const lines = [`version ${version}`, ...settings, `ip ${HAVIP}`].map((line) => ` vrrp 51 ${line}\n`);
    writeFileSync(join(directory, 'zebra.conf'), '');
    writeFileSync(join(directory, 'vrrpd.conf'), `interface eth0\n${lines.join('')}`);
    await guest.exec(['chown', '-R', 'frr:frr', directory]); // the daemons run as that user
    await guest.space.ip(
      `link add vrrp4-51 link eth0 address ${VIRTUAL_MAC} type macvlan mode bridge`,
      `addr add ${HAVIP}/24 dev vrrp4-51`,
      'link set vrrp4-51 up',
    );
    const start = (name: string) => {
      const files = ['-z', `${directory}/zserv`, '-i', `${directory}/${name}.pid`, '--vty_socket', directory];
      const log = ['--log', 'stdout', '--log-level', 'debugging'];
      return guest.spawn([`/usr/lib/frr/${name}`, ...files, '-f', `${directory}/${name}.conf`, ...log]);
    };
    const zebra = start('zebra');
    await until('socket of zebra', () => existsSync(join(directory, 'zserv')));
    return new Frr(zebra, start('vrrpd'));
  }

  /** Resolves when it has gone from backup to master, or has done so already. */
  async becomesMaster(limitMs?: number): Promise<void> {
    await this.#vrrpd.line(/\[IPv4\] Backup -> Master/, limitMs);
  }

  async becomesBackup(limitMs?: number): Promise<void> {
    await this.#vrrpd.line(/\[IPv4\] .* -> Backup/, limitMs);
  }

  async stop(): Promise<void> {
    await this.#vrrpd.stop();
    await this.#zebra.stop();
  }
}
