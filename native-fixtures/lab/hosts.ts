/**
 * The lab with many hosts: each a namespace with the bridge br1, guests on it, an uplink, and an agent of its own; between them a switch,
 * itself a namespace, whose cables can be cut.
 *
 *     host-a  br1: tap7 cvm-1, tap100 client, uplink ──┐
 *     host-b  br1: tap13 cvm-2, uplink ────────────────┤ fab   (plain: up0 is a port of br1, as a VLAN of a physical network)
 *     host-c  br1: ..., uplink ────────────────────────┘       (vxlan: vx10 is, over addresses of un0)
 *
 * With a store each host has a cable more, mg0, to etcd in that switch's namespace.
 *
 *     await using hosts = await Hosts.create({ guests: { 'host-a': ['cvm-1', 'client'], 'host-b': ['cvm-2'] } });
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentProcess, agentCommand } from './agent.ts';
import { LabError } from './command.ts';
import type { Etcd } from './etcd.ts';
import { Guest } from './guest.ts';
import { endWithProcess, hasEnded } from './living.ts';
import { createNamespaces, Namespace, removeLeftovers, removeNamespaces, RUN, signalIn } from './namespace.ts';
import { newLabName } from './owner.ts';
import { agentConfig, type AgentConfig, GUESTS } from './topology.ts';
import { connect, forwards, type Host, startStore } from './underlay.ts';
import { until } from './until.ts';

export interface HostsOptions {
  /** By host: the instances that run there. */
  readonly guests: Readonly<Record<string, readonly string[]>>;
  readonly uplink?: 'plain' | 'vxlan';
  /** VXLAN devices do not learn: somebody has to write their tables. */
  readonly noLearning?: boolean;
  /** etcd, which every host's agent is told of: so many members, and where their data is. */
  readonly store?: { readonly members?: number; readonly below?: string };
}

export class Hosts {
  readonly name: string;
  readonly hosts: readonly Host[];
  readonly directory: string;
  readonly fabric: Namespace;
  readonly #overlay: boolean;
  readonly #options: HostsOptions;
  #store: Etcd | null = null;
  #files = 0;

  private constructor(name: string, options: HostsOptions) {
    const { guests, uplink = 'plain' } = options;
    this.name = name;
    this.#options = options;
    this.directory = join(RUN, name);
    this.fabric = new Namespace(`${name}.fabric`);
    this.#overlay = uplink === 'vxlan';
    this.hosts = Object.entries(guests).map(([id, instances], i) => {
      const space = new Namespace(`${name}.${id}`);
      const specs = GUESTS.filter(({ instance }) => instances.includes(instance));
      const made = specs.map((spec) => new Guest(spec, new Namespace(`${name}.${spec.instance}`), space, this.directory));
      return { id, space, cable: `to${i}`, uplink: this.#overlay ? 'vx10' : 'up0', vtep: `10.99.0.${i + 1}`, guests: made };
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

  get store(): Etcd {
    if (this.#store === null) throw new LabError('this lab has no store');
    return this.#store;
  }

  /** The configuration of a host's agent as text; `change` may alter it first. */
  config(id: string, change?: (config: AgentConfig) => void): string {
    const { guests, uplink, vtep } = this.host(id);
    const specs = guests.map(({ spec }) => spec);
    const config = agentConfig(specs, `unix:${this.#socket(id)}`);
    config.host.id = id;
    config.uplinks = [{ interface: uplink, vpc: 'vpc-1' }];
    if (this.#overlay) config.host.vtep = vtep;
    if (this.#store !== null) config.store = { endpoints: this.#store.endpoints };
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

  /** Cuts a host off from the store alone. */
  async setStoreCable(id: string, state: 'up' | 'down'): Promise<void> {
    await this.fabric.ip(`link set mg-${this.host(id).cable} ${state}`);
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
    await until(`forwarding on ${tap}`, () => forwards(target));
  }

  destroy(): void {
    hasEnded(this);
    removeNamespaces([this.fabric, ...this.hosts.flatMap((host) => this.#spacesOf(host))]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store?.close();
    this.destroy();
  }

  #spacesOf({ space, guests }: Host): Namespace[] {
    return [space, ...guests.map((guest) => guest.space)];
  }

  #socket(id: string): string {
    return join(this.directory, `${id}.sock`);
  }

  #write(text: string): string {
    const path = join(this.directory, `agent-${this.#files++}.yaml`);
    writeFileSync(path, text);
    return path;
  }

  async #build(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o711 });
    await createNamespaces([this.fabric, ...this.hosts.flatMap((host) => this.#spacesOf(host))]);
    await this.fabric.ip('link add fab type bridge stp_state 0 forward_delay 0 mcast_snooping 0', 'link set fab up');
    for (const host of this.hosts) await connect(this.fabric, this.hosts, host, this.#options);
    await Promise.all(this.hosts.flatMap(({ guests }) => guests.map((guest) => guest.plug())));
    for (const host of this.hosts) await until(`forwarding on ${host.id}`, () => forwards(host));
    if (this.#options.store !== undefined) this.#store = await startStore(this.fabric, this.hosts, this.#options.store);
  }
}
