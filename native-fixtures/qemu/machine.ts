/**
 * A guest that is a virtual machine: QEMU without hardware acceleration (it runs wherever Node does), Debian's kernel and real keepalived.
 * Its taps are QEMU's own, so they are gone when it is. Two network cards of the same MAC, of which a case uses one: `virtio_net` announces
 * all its addresses itself after a migration (GUEST_ANNOUNCE), for `e1000` QEMU says the MAC by RARP and no more.
 *
 *     const machine = await Machine.start({ space: host.space, directory, spec, state: await savedState() });
 *     await machine.startKeepalived({ priority: 100 });
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../lab/command.ts';
import { configuration, type KeepalivedOptions, type KeepalivedState } from '../lab/keepalived.ts';
import type { Namespace } from '../lab/namespace.ts';
import type { LabProcess } from '../lab/process.ts';
import type { GuestSpec } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import { type Card, type GuestImage, qemuCommand } from './devices.ts';
import { Lines } from './lines.ts';
import { type Migration, Monitor } from './monitor.ts';

export interface MachineOptions {
  readonly image: GuestImage;
  /** The host that it runs on. */
  readonly space: Namespace;
  readonly directory: string;
  readonly spec: GuestSpec;
  /** The one on the bridge. */
  readonly card?: Card;
  /** What it goes on from: a file of save(), or "migration" for what another machine sends. Without, it boots. */
  readonly from?: string;
}

const BOOT_MS = 180_000;
const RESTORE_MS = 60_000;
const COMMAND_MS = 20_000;
const STATE = /Entering (MASTER|BACKUP|FAULT) STATE/g;
const HEALTHY = '/run/healthy';

let machines = 0;

export class Machine {
  readonly spec: GuestSpec;
  readonly process: LabProcess;
  readonly #options: MachineOptions;
  readonly #path: (name: string) => string;
  #monitor: Monitor | null = null;
  #shell: Lines | null = null;
  #keepalivedFrom = 0;

  private constructor(options: MachineOptions) {
    const number = machines++;
    this.spec = options.spec;
    this.#options = options;
    this.#path = (name) => join(options.directory, `m${number}.${name}`);
    const { image, spec, from } = options;
    this.process = options.space.spawn(qemuCommand({ image, spec, card: this.#card, path: this.#path, from }));
  }

  /** Resolves when it runs and answers; one that waits for a migration, when it waits. */
  static async start(options: MachineOptions): Promise<Machine> {
    const machine = new Machine(options);
    try {
      await machine.#begin();
      return machine;
    } catch (error) {
      const said = machine.process.stderr.at(-1);
      await machine.kill();
      throw said === undefined ? error : new LabError(`${(error as Error).message}; QEMU said: ${said}`);
    }
  }

  get migrationSocket(): string {
    return this.#path('migration');
  }

  /** Runs a line of shell in the guest; resolves to what it printed, rejects when it failed. */
  async run(line: string, limitMs = COMMAND_MS): Promise<string> {
    const shell = this.#ask(this.#shell);
    shell.write(`${line}\n`);
    const lines = await shell.upTo(/^END \d+$/, limitMs);
    const end = lines.pop();
    const said = lines.join('\n').trim();
    if (end !== 'END 0') throw new LabError(`${this.spec.instance}: ${line}: ${end ?? ''}: ${said}`);
    return said;
  }

  /** Its address and its link; the other card stays down. */
  async plug(): Promise<void> {
    const { address, gateway } = this.spec;
    const card = this.#card;
    await this.run(`ip link set ${card} name eth0 && ip link set eth0 up && ip addr add ${address}/24 dev eth0`);
    if (gateway !== null) await this.run(`ip route add default via ${gateway}`);
  }

  /** Resolves when it has taken up its first state. */
  async startKeepalived(options: KeepalivedOptions = {}): Promise<void> {
    const text = Buffer.from(configuration(this.spec, options, HEALTHY)).toString('base64');
    await this.run(`echo ${text} | base64 -d > /run/keepalived.conf; : > ${HEALTHY}`);
    this.#keepalivedFrom = this.console.length;
    const flags = '--dont-fork --vrrp --log-console --log-detail --use-file /run/keepalived.conf';
    await this.run(`keepalived ${flags} --pid /run/k.pid --vrrp_pid /run/v.pid >/dev/console 2>&1 </dev/null &`);
    await until(`state of keepalived in ${this.spec.instance}`, () => this.state !== undefined, COMMAND_MS);
  }

  /** A clean end: priority 0, address removed. */
  async stopKeepalived(): Promise<void> {
    await this.run('kill $(cat /run/k.pid); while [ -e /run/k.pid ]; do sleep 0.1; done');
  }

  get console(): string {
    const path = this.#path('console');
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  }

  /** The last that keepalived told on this machine's console. */
  get state(): KeepalivedState | undefined {
    return [...this.console.slice(this.#keepalivedFrom).matchAll(STATE)].at(-1)?.[1] as KeepalivedState | undefined;
  }

  async enters(state: KeepalivedState, limitMs = 40_000): Promise<void> {
    await until(`${this.spec.instance} in ${state}`, () => this.state === state, limitMs);
  }

  /** Its processor stands still: the tap and its carrier stay. */
  async pause(): Promise<void> {
    await this.#ask(this.#monitor).execute('stop');
  }

  async resume(): Promise<void> {
    await this.#ask(this.#monitor).execute('cont');
  }

  /** QEMU is killed: the tap is gone. */
  async kill(): Promise<void> {
    this.#monitor?.close();
    this.#shell?.close();
    await this.process.stop('SIGKILL');
  }

  /** Moves to a machine that waits for it, and ends here. */
  async migrateTo(target: Machine): Promise<Migration> {
    const migration = await this.#ask(this.#monitor).migrate(`unix:${target.migrationSocket}`);
    await this.#ask(target.#monitor).is('running');
    await target.#answers();
    await this.kill();
    return migration;
  }

  /** Stands still, and writes all that it is into a file. */
  async save(file: string): Promise<void> {
    await this.pause();
    await this.#ask(this.#monitor).migrate(`exec:cat > '${file}'`);
  }

  get #card(): Card {
    return this.#options.card ?? 'virtio_net';
  }

  async #begin(): Promise<void> {
    const { from, space, spec } = this.#options;
    this.#monitor = await Monitor.connect(this.#path('monitor'));
    const tapMac = spec.mac.replace(/^../, 'fe');
    await space.ip(`link set ${spec.tap} address ${tapMac}`, `link set ${spec.tap} master ${spec.bridge} up`);
    this.#shell = await Lines.connect(spec.instance, this.#path('shell'));
    if (from === undefined) return void (await this.#shell.upTo(/^READY$/, BOOT_MS));
    if (from === 'migration') return;
    await this.#monitor.is('paused');
    await this.resume();
    await this.#answers();
  }

  async #answers(): Promise<void> {
    await this.run(':', RESTORE_MS);
  }

  #ask<T>(part: T | null): T {
    if (part === null) throw new LabError(`${this.spec.instance}: not started`);
    return part;
  }
}
