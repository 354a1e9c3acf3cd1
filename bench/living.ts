/**
 * Does the agent ever speak for a guest that lives (`assist: resign`)? A guest whose link blinks, that migrates to another port, whose
 * tap is renamed; an agent that is restarted or stopped for a while. Guests are taps that this process holds, so that what happens to
 * them takes no longer than it says; last of all one really dies, and is spoken for once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { arp, rarp, vrrp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { HeldTap } from '../native-fixtures/lab/tap.ts';
import { HAVIP } from '../native-fixtures/lab/topology.ts';
import { until } from '../native-fixtures/lab/until.ts';
import { systemClock } from '../src/base/clock.ts';
import type { Bench } from './bench.ts';

/** The guest's two ports. */
const PORTS = [
  { interface: 'vm0', mac: '02:00:ac:11:10:46', address: '172.17.16.70' },
  { interface: 'vm1', mac: '02:00:ac:11:10:47', address: '172.17.16.71' },
] as const;
const ASSISTS = 'havip_assisted_resigns_total';
/** What is longer is a loss, which the kernel may tell of as late as that: of carriers it tells once a second. */
const BLINK_MS = 5;
const NOTICED_MS = 1200;
/** Longer than the guard time, and than what a busy machine adds to it. */
const AFTERWARDS_MS = 40;
const STOPPED_MS = 2000;

interface Trial {
  readonly name: string;
  readonly cycles: number;
  /** Returns how long the guest was cut off, if it was. */
  readonly act: (rig: Living) => Promise<number>;
}

const TRIALS: readonly Trial[] = [
  { name: 'carrier gone for a moment', cycles: 400, act: (rig) => rig.blink() },
  { name: 'link set down and up', cycles: 200, act: (rig) => rig.flap() },
  { name: 'live migration, announced before the old tap goes', cycles: 150, act: (rig) => rig.migrate(true) },
  { name: 'live migration, the old tap goes first', cycles: 150, act: (rig) => rig.migrate(false) },
  { name: 'tap renamed and renamed back', cycles: 80, act: (rig) => rig.rename() },
  { name: 'agent restarted', cycles: 10, act: (rig) => rig.restart() },
  { name: `agent stopped for ${STOPPED_MS} ms`, cycles: 10, act: (rig) => rig.stall() },
];

export const bench: Bench = {
  name: 'living',
  question: 'does the agent ever resign in the name of a guest that lives?',
  async run({ small, print }) {
    await using rig = await Living.create();
    const spoken: string[] = [];
    for (const { name, cycles, act } of TRIALS) {
      const times = small ? 2 : cycles;
      let longestMs = 0;
      let assists = 0;
      for (let i = 0; i < times;) {
        await rig.hold();
        const before = await rig.assists();
        const cutOffMs = await act(rig);
        await sleep(AFTERWARDS_MS);
        // On a busy machine this process itself is kept waiting: then it was no blink.
        if (cutOffMs > BLINK_MS) {
          await sleep(NOTICED_MS);
          continue;
        }
        i++;
        longestMs = Math.max(longestMs, cutOffMs);
        // A restarted agent counts from 0.
        assists += Math.max(0, (await rig.assists()) - before);
      }
      if (assists > 0) spoken.push(`${name}: ${assists} of ${times}`);
      print(
        `  ${name.padEnd(50)} ${assists} of ${times}${longestMs > 0 ? `, cut off for at most ${longestMs.toFixed(1)} ms` : ''}`,
      );
    }
    await rig.hold();
    const before = await rig.assists();
    rig.die();
    await until('a word for the one that really died', async () => (await rig.assists()) > before);
    print(`  really dead, after all that: ${(await rig.assists()) - before} of 1`);
    if (spoken.length > 0) throw new Error(`living: the agent spoke for the living: ${spoken.join('; ')}`);
  },
};

class Living implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #config: string;
  #agent: AgentProcess;
  #tap: HeldTap;

  private constructor(lab: Lab, config: string, agent: AgentProcess, tap: HeldTap) {
    this.#lab = lab;
    this.#config = config;
    this.#agent = agent;
    this.#tap = tap;
  }

  static async create(): Promise<Living> {
    const lab = await Lab.create({ guests: ['cvm-2'] });
    const config = lab.config(({ vpcs: [vpc], ports }) => {
      Object.assign(vpc!.havips[0]!, { assist: 'resign', members: ['living', 'cvm-2'] });
      for (const { address, ...port } of PORTS)
        ports.push({ ...port, instance: 'living', subnet: 'subnet-a', addresses: [address] });
    });
    const tap = new HeldTap(lab.host, 'vm0', false);
    await lab.host.ip('link set vm0 up');
    return new Living(lab, config, await lab.startAgent({ config, realtime: true }), tap);
  }

  assists(): Promise<number> {
    return this.#agent.metric(ASSISTS);
  }

  /** The guest is master, at the port where it is, with a fresh advert. */
  async hold(): Promise<void> {
    const name = this.#tap.name;
    await until(`${name} as the holder's port`, async () => {
      this.#speak();
      const { holder, assist } = await this.#agent.api<{ holder: { interface: string } | null; assist: string }>(
        '/api/v1/havips/havip-1',
      );
      return holder?.interface === name && assist === 'ready';
    });
    this.#speak();
    await sleep(5);
  }

  async blink(): Promise<number> {
    const goneNs = systemClock.nowNs();
    this.#tap.setCarrier(false);
    await sleep(1 + 2 * Math.random());
    this.#tap.setCarrier(true);
    return (systemClock.nowNs() - goneNs) / 1e6;
  }

  async flap(): Promise<number> {
    const goneNs = systemClock.nowNs();
    this.#tap.flap();
    return (systemClock.nowNs() - goneNs) / 1e6;
  }

  /** To the other port of its own, as between two QEMU on this host. */
  async migrate(announcesFirst: boolean): Promise<number> {
    const old = this.#tap;
    const next = new HeldTap(this.#lab.host, old.name === 'vm0' ? 'vm1' : 'vm0', false);
    await this.#lab.host.ip(`link set ${next.name} up`);
    await sleep(AFTERWARDS_MS);
    this.#tap = next;
    const goneNs = systemClock.nowNs();
    if (!announcesFirst) old.die();
    next.send(rarp(PORTS.find((port) => port.interface === next.name)!.mac));
    this.#speak();
    if (announcesFirst) old.die();
    return announcesFirst ? 0 : (systemClock.nowNs() - goneNs) / 1e6;
  }

  async rename(): Promise<number> {
    const { name } = this.#tap;
    await this.#lab.host.ip(`link set ${name} name away`);
    await sleep(AFTERWARDS_MS);
    await this.#lab.host.ip(`link set away name ${name}`);
    return 0;
  }

  async restart(): Promise<number> {
    await this.#agent.stop();
    this.#agent = await this.#lab.startAgent({ config: this.#config, realtime: true });
    return 0;
  }

  async stall(): Promise<number> {
    this.#agent.signal('SIGSTOP');
    await sleep(STOPPED_MS / 2);
    await this.blink();
    await sleep(STOPPED_MS / 2);
    this.#agent.signal('SIGCONT');
    return 0;
  }

  die(): void {
    this.#tap.die();
  }

  #speak(): void {
    const { mac, address } = PORTS.find((port) => port.interface === this.#tap.name)!;
    const advert = { version: 3, source: mac, ipSource: address, vrid: 51, priority: 100, interval: 1000 } as const;
    this.#tap.send(vrrp({ ...advert, addresses: [HAVIP] }));
    this.#tap.send(arp({ source: mac, senderAddress: HAVIP }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tap.die();
    this.#lab.destroy();
  }
}
