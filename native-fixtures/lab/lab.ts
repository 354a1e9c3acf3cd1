/**
 * The lab: a hypervisor and its guests in network namespaces of this machine. Demo, tests, benches and the recorder of captures
 * all use this one. Each lab has names of its own, so several can run at once; each ends with its creator, also on Ctrl-C,
 * a thrown error or process.exit(); what a killed creator leaves is removed by the next lab (owner.ts).
 *
 *     await using lab = await Lab.create();
 *     const agent = await lab.startAgent();
 *     const keepalived = await lab.guest('cvm-1').keepalived();
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentProcess, agentCommand } from './agent.ts';
import { LabError } from './command.ts';
import { Guest } from './guest.ts';
import { createNamespaces, ipv6Settings, Namespace, removeLeftovers, removeNamespaces, RUN } from './namespace.ts';
import { endWithProcess, hasEnded } from './living.ts';
import { newLabName } from './owner.ts';
import { agentConfig, BRIDGE_IPV6, BRIDGES, GUESTS } from './topology.ts';
import type { AgentConfig } from './topology.ts';
import { until } from './until.ts';

export interface LabOptions {
  /** Instances to build; all by default. */
  readonly guests?: readonly string[];
  /** Guests and the bridge br1 speak IPv6. */
  readonly ipv6?: boolean;
}

export interface AgentOptions {
  /** Text of the configuration; lab.config() by default. */
  readonly config?: string;
  /** More arguments for `run`. */
  readonly args?: readonly string[];
  /** false: do not wait for /-/ready. */
  readonly ready?: boolean;
  /** As the README's unit runs it: SCHED_RR, so that nothing of the host keeps it from a CPU until the next tick. */
  readonly realtime?: boolean;
}

export class Lab {
  readonly name: string;
  readonly directory: string;
  readonly host: Namespace;
  readonly guests: readonly Guest[];
  readonly #ipv6: boolean;
  #agents = 0;

  private constructor(name: string, options: LabOptions) {
    this.name = name;
    this.directory = join(RUN, name);
    this.host = new Namespace(`${name}.host`);
    this.#ipv6 = options.ipv6 ?? false;
    this.guests = GUESTS.filter(({ instance }) => options.guests?.includes(instance) ?? true).map(
      (spec) => new Guest(spec, new Namespace(`${name}.${spec.instance}`), this.host, this.directory),
    );
  }

  static async create(options: LabOptions = {}): Promise<Lab> {
    if (process.getuid?.() !== 0) throw new LabError('the lab needs root: it makes network namespaces');
    removeLeftovers();
    const lab = new Lab(newLabName(), options);
    endWithProcess(lab);
    try {
      await lab.#build();
      return lab;
    } catch (error) {
      lab.destroy();
      throw error;
    }
  }

  guest(instance: string): Guest {
    const found = this.guests.find((each) => each.spec.instance === instance);
    if (found === undefined) throw new LabError(`this lab has no guest ${instance}`);
    return found;
  }

  get client(): Guest {
    return this.guest('client');
  }

  /** Path of the agent's unix socket. */
  get socket(): string {
    return join(this.directory, 'agent.sock');
  }

  /** The agent's configuration for this lab as text; `change` may alter it first. */
  config(change?: (config: AgentConfig) => void): string {
    const specs = this.guests.map((each) => each.spec);
    const config = agentConfig(specs, `unix:${this.socket}`);
    change?.(config);
    return `${JSON.stringify(config, null, 2)}\n`;
  }

  /** Writes a file into the lab's directory and returns its path. */
  writeFile(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Starts the compiled agent in the host's namespace; resolves when it is ready. */
  async startAgent(options: AgentOptions = {}): Promise<AgentProcess> {
    const file = this.writeFile(`agent-${this.#agents++}.yaml`, options.config ?? this.config());
    const argv = agentCommand('run', '--config', file, ...(options.args ?? []));
    const scheduled = options.realtime === true ? ['chrt', '--rr', '1', ...argv] : argv;
    const agent = new AgentProcess(this.host, this.socket, scheduled);
    if (options.ready !== false) await agent.ready();
    return agent;
  }

  /** Ends every process in the lab's namespaces and removes them. Synchronous: it also runs while the process exits. */
  destroy(): void {
    hasEnded(this);
    removeNamespaces(this.#namespaces());
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  #namespaces(): Namespace[] {
    return [this.host, ...this.guests.map((guest) => guest.space)];
  }

  async #build(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o711 }); // guests' daemons that give up root must get through
    await createNamespaces(this.#namespaces());
    await this.host.exec(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
    for (const { name, mac, addresses } of BRIDGES) {
      await this.host.ip(
        `link add ${name} address ${mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
        `link set ${name} up`,
        ...addresses.map((address) => `addr add ${address} dev ${name}`),
      );
    }
    await this.host.ip('link set lo up');
    await Promise.all(this.guests.map((guest) => guest.plug()));
    if (this.#ipv6) await this.#addIpv6();
    await until('forwarding on every port of the bridges', () => this.#forwards());
    if (this.#ipv6) await Promise.all(this.guests.map((guest) => guest.ipv6Settled()));
  }

  async #addIpv6(): Promise<void> {
    await this.host.exec(['sysctl', '-q', '-p', '-'], { input: ipv6Settings(true, ['br1']) });
    await this.host.ip(...BRIDGE_IPV6.map((address) => `addr add ${address} dev br1 nodad`));
    await Promise.all(this.guests.map((guest) => guest.addIpv6()));
  }

  async #forwards(): Promise<boolean> {
    const links = JSON.parse(await this.host.exec(['bridge', '-j', 'link'])) as { ifname: string; state: string }[];
    return this.guests.every(({ spec }) => links.some((link) => link.ifname === spec.tap && link.state === 'forwarding'));
  }
}
