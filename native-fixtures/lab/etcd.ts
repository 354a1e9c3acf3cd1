/**
 * Debian's etcd, one member or a cluster, on loopback ports of its own, or in a namespace at an address of that, and with its data in a
 * temporary directory. It dies with the process that started it. Each member can be killed, frozen and started again with what it had on disk.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { freePorts } from './free-ports.ts';
import { LabProcess } from './process.ts';
import type { Namespace } from './namespace.ts';
import { until } from './until.ts';

const ETCDCTL = ['env', 'ETCDCTL_API=3', 'etcdctl'];

interface EtcdOptions {
  readonly members?: number;
  /** PEM files: clients must show a certificate of this authority. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly flags?: readonly string[];
  /** Where it runs, and the address that it is asked at; this namespace's loopback without it. */
  readonly at?: { readonly space: Namespace; readonly address: string };
  /** Where its data is: /dev/shm is memory. */
  readonly below?: string;
}

interface Member {
  readonly name: string;
  readonly directory: string;
  readonly client: number;
  readonly peer: number;
  process: LabProcess | null;
}

export class Etcd {
  readonly directory: string;
  readonly #members: Member[];
  readonly #options: EtcdOptions;
  #token = 'havip-test';

  private constructor(directory: string, members: Member[], options: EtcdOptions) {
    this.directory = directory;
    this.#members = members;
    this.#options = options;
  }

  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    const directory = mkdtempSync(join(options.below ?? tmpdir(), 'havip-etcd-'));
    const count = options.members ?? 1;
    const ports = await freePorts(2 * count);
    const members = Array.from({ length: count }, (_, i) => ({
      name: `m${i}`,
      directory: join(directory, `m${i}`),
      client: ports[2 * i] ?? 0,
      peer: ports[2 * i + 1] ?? 0,
      process: null,
    }));
    const etcd = new Etcd(directory, members, options);
    for (const i of members.keys()) etcd.run(i);
    await etcd.healthy();
    return etcd;
  }

  get endpoints(): string[] {
    const scheme = this.#options.tls === undefined ? 'http' : 'https';
    return this.#members.map(({ client }) => `${scheme}://${this.#address}:${client}`);
  }

  /** No member runs. */
  get isDown(): boolean {
    return this.#members.every(({ process }) => process?.running !== true);
  }

  /** Starts a member that does not run. */
  run(index: number): void {
    const member = this.#member(index);
    const { name, directory, client, peer } = member;
    const { tls, flags = [] } = this.#options;
    const scheme = tls === undefined ? 'http' : 'https';
    const settings = {
      name,
      'data-dir': directory,
      'listen-client-urls': `${scheme}://${this.#address}:${client}`,
      'advertise-client-urls': `${scheme}://${this.#address}:${client}`,
      'listen-peer-urls': `http://${this.#address}:${peer}`,
      'initial-advertise-peer-urls': `http://${this.#address}:${peer}`,
      'initial-cluster': this.#cluster(),
      'initial-cluster-token': this.#token,
      'initial-cluster-state': 'new',
      logger: 'zap',
      'log-level': 'error',
      ...(tls !== undefined && {
        'cert-file': tls.cert,
        'key-file': tls.key,
        'trusted-ca-file': tls.ca,
        'client-cert-auth': 'true',
      }),
    };
    const argv = ['setpriv', '--pdeathsig', 'KILL', 'etcd', ...flagsOf(settings), ...flags];
    member.process = new LabProcess(`etcd ${name}`, this.#there(argv));
  }

  signal(index: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#member(index).process?.signal(signal);
  }

  async kill(index: number): Promise<void> {
    await this.#member(index).process?.stop('SIGKILL');
  }

  /** Which member leads, by what the members say. */
  async leader(): Promise<number> {
    return until('leader', async () => {
      const said = await this.ctl(['endpoint', 'status']);
      const line = said.split('\n').find((one) => one.split(', ')[4] === 'true');
      return line === undefined ? undefined : this.endpoints.indexOf(line.split(', ')[0] ?? '');
    });
  }

  /** etcdctl over all members, or one; answers what it printed. */
  async ctl(
    args: readonly string[],
    options: { member?: number; flags?: readonly string[]; input?: string } = {},
  ): Promise<string> {
    const { tls } = this.#options;
    const endpoints = options.member === undefined ? this.endpoints.join(',') : (this.endpoints[options.member] ?? '');
    const secure = tls === undefined ? {} : { cacert: tls.ca, cert: tls.cert, key: tls.key };
    const argv = [...ETCDCTL, ...flagsOf({ endpoints, ...secure }), ...(options.flags ?? []), ...args];
    return command(this.#there(argv), { input: options.input ?? '' });
  }

  async healthy(flags: readonly string[] = []): Promise<void> {
    await until('healthy etcd', async () => {
      try {
        await this.ctl(['endpoint', 'health'], { flags });
        return true;
      } catch {
        return false;
      }
    });
  }

  /** All members go back to this snapshot, as a new cluster of the same addresses. */
  async restore(snapshot: string): Promise<void> {
    for (const i of this.#members.keys()) await this.kill(i);
    this.#token += '-restored';
    for (const { name, directory, peer } of this.#members) {
      rmSync(directory, { recursive: true });
      const settings = {
        name,
        'data-dir': directory,
        'initial-cluster': this.#cluster(),
        'initial-cluster-token': this.#token,
        'initial-advertise-peer-urls': `http://${this.#address}:${peer}`,
      };
      await command([...ETCDCTL, 'snapshot', 'restore', snapshot, ...flagsOf(settings)]);
    }
    for (const i of this.#members.keys()) this.run(i);
    await this.healthy();
  }

  async close(): Promise<void> {
    for (const i of this.#members.keys()) {
      this.signal(i, 'SIGCONT');
      await this.kill(i);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #address(): string {
    return this.#options.at?.address ?? '127.0.0.1';
  }

  #there(argv: readonly string[]): string[] {
    const { at } = this.#options;
    return at === undefined ? [...argv] : ['ip', 'netns', 'exec', at.space.name, ...argv];
  }

  #cluster(): string {
    return this.#members.map(({ name, peer }) => `${name}=http://${this.#address}:${peer}`).join(',');
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new RangeError(`no member ${index}`);
    return member;
  }
}

function flagsOf(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}
