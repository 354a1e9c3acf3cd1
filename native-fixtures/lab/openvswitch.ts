/**
 * An Open vSwitch of a lab's own: ovsdb-server and ovs-vswitchd with their sockets in a folder, in the host's namespace. The userspace
 * datapath needs no module of the kernel.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import type { LabProcess } from './process.ts';
import { until } from './until.ts';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';

export class OpenVswitch {
  readonly folder = mkdtempSync(join(tmpdir(), 'havip-ovs-'));
  readonly #host: Namespace;
  #server: LabProcess | null = null;
  #switchd: LabProcess | null = null;

  private constructor(host: Namespace) {
    this.#host = host;
  }

  static async start(host: Namespace): Promise<OpenVswitch> {
    const made = new OpenVswitch(host);
    const database = join(made.folder, 'conf.db');
    await host.exec(['ovsdb-tool', 'create', database, SCHEMA]);
    await made.startServer();
    await made.ctl('--no-wait', 'init');
    made.#switchd = made.#spawn(['ovs-vswitchd', '--disable-system', `unix:${made.socket}`]);
    return made;
  }

  /** Of the database. */
  get socket(): string {
    return join(this.folder, 'db.sock');
  }

  /** What has it in its environment finds this one. */
  get environment(): readonly string[] {
    return ['env', `OVS_RUNDIR=${this.folder}`, `OVS_LOGDIR=${this.folder}`, `OVS_DBDIR=${this.folder}`];
  }

  ctl(...words: string[]): Promise<string> {
    return this.#host.exec([...this.environment, 'ovs-vsctl', `--db=unix:${this.socket}`, '--timeout=20', ...words]);
  }

  async startServer(): Promise<void> {
    this.#server = this.#spawn(['ovsdb-server', `--remote=punix:${this.socket}`, join(this.folder, 'conf.db')]);
    const answers = () =>
      this.ctl('--no-wait', 'show').then(
        () => true,
        () => false,
      );
    await until('Open vSwitch database', answers);
  }

  /** Its database goes on as if nothing had been asked. */
  signalServer(signal: NodeJS.Signals): void {
    this.#server?.signal(signal);
  }

  async stopServer(): Promise<void> {
    await this.#server?.stop();
  }

  async stop(): Promise<void> {
    await this.#switchd?.stop();
    await this.#server?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn([program = '', ...words]: string[]): LabProcess {
    const log = [`--log-file=${join(this.folder, `${program}.log`)}`, '-vconsole:off'];
    return this.#host.spawn([...this.environment, program, `--pidfile=${join(this.folder, `${program}.pid`)}`, ...log, ...words]);
  }
}
