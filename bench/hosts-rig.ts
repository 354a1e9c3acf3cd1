/**
 * Three hosts over VXLAN with an agent each, and etcd: guests of two claim HAVIPs by single frames, and the kernels of all three tell when
 * packets go elsewhere. Needs root.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { command } from '../native-fixtures/lab/command.ts';
import { Hosts } from '../native-fixtures/lab/hosts.ts';
import { SwitchWatches } from '../native-fixtures/lab/switch-watch.ts';
import { until } from '../native-fixtures/lab/until.ts';
import { Wire } from '../native-fixtures/lab/wire.ts';
import { systemClock } from '../src/base/clock.ts';

const GUESTS = ['cvm-1', 'cvm-2'] as const;
const LIMIT_MS = 10_000;

/** Milliseconds from the frame's send(2) until each kernel had it, as read by this process. */
export interface Move {
  readonly own: number;
  readonly old: number;
  readonly third: number;
  /** From the decision to the store's acknowledgement, as the agent tells it. */
  readonly store: number;
}

export function addressOf(havip: number): string {
  return `172.17.${20 + (havip >> 7)}.${1 + (havip & 127)}`;
}

export class HostsRig {
  readonly hosts: Hosts;
  readonly agents: readonly AgentProcess[];
  readonly watches: SwitchWatches;
  readonly #wires: readonly Wire[];

  private constructor(hosts: Hosts, agents: readonly AgentProcess[]) {
    this.hosts = hosts;
    this.agents = agents;
    this.watches = new SwitchWatches(hosts.hosts.map(({ space }) => space.path));
    this.#wires = GUESTS.map((guest) => hosts.guest(guest).openWire());
  }

  /** @param below where etcd's data is */
  static async create(havips: number, store: { readonly members?: number; readonly below?: string }): Promise<HostsRig> {
    // Agents run by the real-time scheduler: who sends two claims at once must not be in their way in between.
    await command(['chrt', '--rr', '--pid', '2', String(process.pid)]);
    const guests = { 'host-a': ['cvm-1'], 'host-b': ['cvm-2'], 'host-c': ['client'] };
    const hosts = await Hosts.create({ guests, uplink: 'vxlan', store });
    const agents = await hosts.startAgents((config) => {
      const [vpc] = config.vpcs;
      vpc!.subnets = [{ id: 'subnet-a', cidr: '172.17.16.0/20' }];
      vpc!.havips = Array.from({ length: havips }, (_, i) => {
        return { id: `move-${i}`, subnet: 'subnet-a', address: addressOf(i), members: [...GUESTS] };
      });
    });
    const rig = new HostsRig(hosts, agents);
    await rig.synced();
    return rig;
  }

  /** All hosts are in touch with the store. */
  async synced(limitMs = 30_000): Promise<void> {
    for (const agent of this.agents)
      await until('store in touch', async () => (await agent.metric('havip_store_connected')) === 1, limitMs);
  }

  macOf(guest: number): string {
    return this.hosts.guest(GUESTS[guest]!).spec.mac;
  }

  frame(havip: number, guest: number): Uint8Array {
    return arp({ source: this.macOf(guest), senderAddress: addressOf(havip) });
  }

  /** Sends at once; returns when it was sent. */
  claim(havips: readonly number[], guest: number): number {
    const frames = havips.map((havip) => this.frame(havip, guest));
    const sentNs = systemClock.nowNs();
    this.#wires[guest]!.sendAll(frames);
    return sentNs;
  }

  /** Waits until the kernels of these hosts send these HAVIPs to the guest; when each had the last of them. */
  async has(havips: readonly number[], guest: number, hosts: readonly number[] = [0, 1, 2]): Promise<Map<number, number>> {
    const mac = this.macOf(guest);
    const left = new Map(hosts.map((host) => [host, new Set(havips.map(addressOf))]));
    const seenNs = new Map<number, number>();
    for (const host of hosts)
      for (const address of left.get(host)!) if (this.watches.macs[host]!.get(address) === mac) left.get(host)!.delete(address);
    for (const deadline = performance.now() + LIMIT_MS; [...left.values()].some(({ size }) => size > 0); await sleep(0)) {
      if (performance.now() > deadline)
        throw new Error(`not moved on all hosts: ${[...left].map(([, { size }]) => size).join(', ')} are missing`);
      this.watches.take(20, (host, change) => {
        const missing = left.get(host);
        for (const [address, to] of change.flows) if (to === mac && missing?.delete(address)) seenNs.set(host, change.seenNs);
      });
    }
    return seenNs;
  }

  /** All of them to the first guest, in few frames at a time. */
  async prepare(havips: readonly number[]): Promise<void> {
    for (let at = 0; at < havips.length; at += 50) {
      const some = havips.slice(at, at + 50);
      this.claim(some, 0);
      await this.has(some, 0);
    }
    // Gone by then: the time for which a claim that would move it back is held.
    await sleep(1500);
  }

  /** Each awaited: to the second guest. */
  async move(havip: number): Promise<Move> {
    const agent = this.agents[1]!;
    const before = await agent.metric('havip_spread_seconds_sum');
    const sentNs = this.claim([havip], 1);
    const seenNs = await this.has([havip], 1);
    const after = await until('an acknowledgement', async () => {
      const sum = await agent.metric('havip_spread_seconds_sum');
      return sum > before ? sum : undefined;
    });
    const ms = (host: number) => (seenNs.get(host)! - sentNs) / 1e6;
    return { own: ms(1), old: ms(0), third: ms(2), store: (after - before) * 1e3 };
  }

  /** Both claim it, at most so long apart; whose it is in each kernel when all agents have nothing more to tell. */
  async race(
    havip: number,
    first: 0 | 1,
  ): Promise<{ readonly apartMs: number; readonly holders: readonly (string | undefined)[] }> {
    const frames = [this.frame(havip, first), this.frame(havip, 1 - first)] as const;
    const firstNs = systemClock.nowNs();
    this.#wires[first]!.send(frames[0]);
    const apartMs = (systemClock.nowNs() - firstNs) / 1e6;
    this.#wires[1 - first]!.send(frames[1]);
    const address = addressOf(havip);
    const deadline = performance.now() + LIMIT_MS;
    let holders: (string | undefined)[] = [];
    for (let quietMs = 0; quietMs < 60 && performance.now() < deadline; await sleep(0)) {
      const beganMs = performance.now();
      this.watches.take(20);
      const now = this.watches.macs.map((macs) => macs.get(address));
      const agree = now[0] !== undefined && now.every((mac) => mac === now[0]);
      quietMs = agree && now.every((mac, i) => mac === holders[i]) ? quietMs + performance.now() - beganMs : 0;
      holders = now;
    }
    return { apartMs, holders };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.#wires) wire.close();
    this.watches.close();
    await this.hosts[Symbol.asyncDispose]();
  }
}
