/**
 * The lab with many hosts: each a namespace with the bridge br1, guests on it, an uplink, and an agent of its own; between them a switch,
 * itself a namespace, whose cables can be cut.
 *
 *     host-a  br1: tap7 cvm-1, tap100 client, uplink ──┐
 *     host-b  br1: tap13 cvm-2, uplink ────────────────┤ fab   (plain: up0 is a port of br1, as a VLAN of a physical network)
 *     host-c  br1: ..., uplink ────────────────────────┘       (vxlan: vx10 is, over addresses of un0)
 *
 *     await using hosts = await Hosts.create({ guests: { 'host-a': ['cvm-1', 'client'], 'host-b': ['cvm-2'] } });
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentProcess, agentCommand } from './agent.ts';
import { LabError } from './command.ts';
import { Guest } from './guest.ts';
import { endWithProcess, hasEnded } from './living.ts';
import { createNamespaces, Namespace, removeLeftovers, removeNamespaces, RUN, signalIn } from './namespace.ts';
import { newLabName } from './owner.ts';
import { agentConfig, type AgentConfig, GUESTS } from './topology.ts';
import { until } from './until.ts';

export interface HostsOptions {
  /** By host: the instances that run there. */
  readonly guests: Readonly<Record<string, readonly string[]>>;
  readonly uplink?: 'plain' | 'vxlan';
}

/** One hypervisor. */
export interface Host {
  readonly id: string;
  readonly space: Namespace;
  /** Its cable, on the switch's side. */
  readonly cable: string;
  /** The interface that stands in the configuration's `uplinks`. */
  readonly uplink: string;
  guests: Guest[];
}

export class Hosts {
  readonly name: string;
  readonly hosts: readonly Host[];
  readonly #directory: string;
  readonly fabric: Namespace;
  readonly #overlay: boolean;
  #files = 0;

  private constructor(name: string, { guests, uplink = 'plain' }: HostsOptions) {
    this.name = name;
    this.#directory = join(RUN, name);
    this.fabric = new Namespace(`${name}.fabric`);
    this.#overlay = uplink === 'vxlan';
    this.hosts = Object.entries(guests).map(([id, instances], i) => {
      const space = new Namespace(`${name}.${id}`);
      const specs = GUESTS.filter(({ instance }) => instances.includes(instance));
      const made = specs.map((spec) => new Guest(spec, new Namespace(`${name}.${spec.instance}`), space, this.#directory));
      return { id, space, cable: `to${i}`, uplink: this.#overlay ? 'vx10' : 'up0', guests: made };
    });
  }

  static async create(options: HostsOptions): Promise<Hosts> {
    if (process.getuid?.() !== 0) throw new LabError('the lab needs root: it makes network namespaces');
    removeLeftovers();
    const hosts = new Hosts(newLabName(), options);
    endWithProcess(hosts);
    try {
      await hosts.#build();
      return hosts;
    } catch (error) {
      hosts.destroy();
      throw error;
    }
  }

  host(id: string): Host {
    const found = this.hosts.find((host) => host.id === id);
    if (found === undefined) throw new LabError(`this lab has no host ${id}`);
    return found;
  }

  guest(instance: string): Guest {
    const found = this.hosts.flatMap(({ guests }) => guests).find(({ spec }) => spec.instance === instance);
    if (found === undefined) throw new LabError(`this lab has no guest ${instance}`);
    return found;
  }

  /** The configuration of a host's agent as text; `change` may alter it first. */
  config(id: string, change?: (config: AgentConfig) => void): string {
    const { guests, uplink } = this.host(id);
    const specs = guests.map(({ spec }) => spec);
    const config = agentConfig(specs, `unix:${this.#socket(id)}`);
    config.host.id = id;
    config.uplinks = [{ interface: uplink, vpc: 'vpc-1' }];
    change?.(config);
    return `${JSON.stringify(config, null, 2)}\n`;
  }

  /** Starts a host's agent; resolves when it is ready. */
  async startAgent(id: string, change?: (config: AgentConfig) => void): Promise<AgentProcess> {
    const file = this.#write(this.config(id, change));
    const argv = ['chrt', '--rr', '1', ...agentCommand('run', '--config', file)];
    const agent = new AgentProcess(this.host(id).space, this.#socket(id), argv);
    await agent.ready(30_000);
    return agent;
  }

  startAgents(change?: (config: AgentConfig) => void): Promise<AgentProcess[]> {
    return Promise.all(this.hosts.map(({ id }) => this.startAgent(id, change)));
  }

  /** What an agent programmed is gone afterwards; none may run there. */
  async cleanUp(id: string): Promise<void> {
    await this.host(id).space.exec(agentCommand('cleanup', '--config', this.#write(this.config(id))));
  }

  /** Cuts a host off, or lets it back. */
  async setCable(id: string, state: 'up' | 'down'): Promise<void> {
    await this.fabric.ip(`link set ${this.host(id).cable} ${state}`);
  }

  /** A host that stands still, with its agent and its guests; its kernel goes on. */
  freeze(id: string): void {
    signalIn(this.#spacesOf(this.host(id)), 'SIGSTOP');
  }

  thaw(id: string): void {
    signalIn(this.#spacesOf(this.host(id)), 'SIGCONT');
  }

  /** Moves a guest's cable to another host, as a live migration does with the guest; whoever announces that is not here. */
  async migrate(instance: string, from: string, to: string): Promise<void> {
    const [source, target] = [this.host(from), this.host(to)];
    const guest = this.guest(instance);
    const { tap, bridge } = guest.spec;
    await source.space.ip(`link set ${tap} netns ${target.space.name}`);
    await target.space.ip(`link set ${tap} master ${bridge} up`);
    source.guests = source.guests.filter((one) => one !== guest);
    target.guests = [...target.guests, guest];
    await until(`forwarding on ${tap}`, () => this.#forwards(target));
  }

  destroy(): void {
    hasEnded(this);
    removeNamespaces([this.fabric, ...this.hosts.flatMap((host) => this.#spacesOf(host))]);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  #spacesOf({ space, guests }: Host): Namespace[] {
    return [space, ...guests.map((guest) => guest.space)];
  }

  #socket(id: string): string {
    return join(this.#directory, `${id}.sock`);
  }

  #write(text: string): string {
    const path = join(this.#directory, `agent-${this.#files++}.yaml`);
    writeFileSync(path, text);
    return path;
  }

  async #build(): Promise<void> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o711 });
    await createNamespaces([this.fabric, ...this.hosts.flatMap((host) => this.#spacesOf(host))]);
    await this.fabric.ip('link add fab type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set fab up');
    for (const [i, host] of this.hosts.entries()) await this.#connect(host, i);
    await Promise.all(this.hosts.flatMap(({ guests }) => guests.map((guest) => guest.plug())));
    for (const host of this.hosts) await until(`forwarding on ${host.id}`, () => this.#forwards(host));
  }

  async #connect({ space, cable }: Host, i: number): Promise<void> {
    const wire = this.#overlay ? 'un0' : 'up0';
    await this.fabric.ip(`link add ${cable} type veth peer name ${wire} netns ${space.name}`, `link set ${cable} master fab up`);
    await space.ip(
      `link add br1 address 02:00:ac:11:10:f${i} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      'link set br1 up',
      'link set lo up',
      this.#overlay ? `addr add 10.99.0.${i + 1}/24 dev un0` : `link set up0 master br1`,
      `link set ${wire} up`,
    );
    if (!this.#overlay) return;
    await space.ip(`link add vx10 type vxlan id 10 local 10.99.0.${i + 1} dstport 4789`, 'link set vx10 master br1 up');
    for (const other of this.hosts.keys())
      if (other !== i) await space.exec(`bridge fdb append 00:00:00:00:00:00 dev vx10 dst 10.99.0.${other + 1}`.split(' '));
  }

  async #forwards({ space, guests, uplink }: Host): Promise<boolean> {
    const links = JSON.parse(await space.exec(['bridge', '-j', 'link'])) as { ifname: string; state: string }[];
    const wanted = [uplink, ...guests.map(({ spec }) => spec.tap)];
    return wanted.every((name) => links.some(({ ifname, state }) => ifname === name && state === 'forwarding'));
  }
}
