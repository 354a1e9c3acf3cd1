/**
 * From a guest's death to the first frame that its backup gets in its name (`assist: resign`), less the guard time: how long the agent
 * takes to notice and to speak. Guests are taps whose descriptors this process holds, as QEMU does; their adverts and announcements are
 * made here, because it is the agent that is measured. Two witnesses in this process, which waits for both without a break: the
 * kernel's own announcement of each loss, and the frame on the backup's wire.
 */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { arp, vrrp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { HeldTap } from '../native-fixtures/lab/tap.ts';
import { beWitness } from '../native-fixtures/lab/witness.ts';
import { inNamespace, type Wire } from '../native-fixtures/lab/wire.ts';
import { Epoll } from '../src/abi/epoll.ts';
import { LinkEvents } from '../src/abi/rtnetlink.ts';
import { must } from '../src/base/assert.ts';
import { systemClock } from '../src/base/clock.ts';
import { LIMITS } from '../src/ledger/limits.ts';
import { type Bench, median } from './bench.ts';

const SUBNET = '172.17.16.0/20';
const GUESTS = 100;
/** Until the last frame of a round came, or never will. */
const LIMIT_MS = 2000;
const GROUP = 77;
const VRRP_AT = 34;
/** Hundredths of a second, as the agent says it in the name of one who says 4095. */
const SHORT_INTERVAL = 1;

const isHastened = (frame: Buffer) => frame[23] === 112 && (frame.readUInt16BE(VRRP_AT + 4) & 0xfff) === SHORT_INTERVAL;

interface Way {
  readonly name: string;
  readonly stays: boolean;
  /** How many die at once; the rounds of one alone take each guest once. */
  readonly together: boolean;
  readonly kill: (rig: Rig, guest: number) => void;
}

const WAYS: readonly Way[] = [
  { name: 'QEMU killed, its tap goes with it', stays: false, together: false, kill: (rig, guest) => rig.taps[guest]!.die() },
  { name: 'QEMU killed, its tap stays', stays: true, together: false, kill: (rig, guest) => rig.taps[guest]!.die() },
  { name: `${GUESTS} QEMU killed at once, taps go`, stays: false, together: true, kill: (rig) => rig.dieAll() },
  { name: `${GUESTS} QEMU killed at once, taps stay`, stays: true, together: true, kill: (rig) => rig.dieAll() },
  { name: 'tap deleted', stays: true, together: false, kill: (rig, guest) => rig.ip(`link del vm${guest}`) },
  { name: `${GUESTS} taps deleted at once`, stays: true, together: true, kill: (rig) => rig.ip(`link del group ${GROUP}`) },
];

export const bench: Bench = {
  name: 'notice',
  question: 'how long from a guest’s death to the frame that tells its backup?',
  async run({ small, print }) {
    beWitness();
    print(`  ms after the guard time of ${LIMITS.assistGuardMs} ms, until the backup had the frame: median / p99 / max`);
    for (const way of WAYS) {
      await using rig = await Rig.create(small ? 3 : GUESTS, way.stays);
      const rounds = way.together ? (small ? 1 : 10) : 1;
      const late: number[] = [];
      let told = 0;
      for (let i = 0; i < rounds; i++) {
        const seen = way.together ? await rig.all(way) : await rig.eachAlone(way);
        told += rig.taps.length;
        late.push(...seen);
        if (i + 1 < rounds) await rig.revive();
      }
      if (late.length !== told) throw new Error(`notice: ${way.name}: ${late.length} backups of ${told} were told`);
      const sorted = late.toSorted((a, b) => a - b);
      const p99 = sorted[Math.floor(sorted.length * 0.99)]!;
      print(
        `  ${way.name.padEnd(36)} ${[median(sorted), p99, sorted.at(-1)!].map((ms) => ms.toFixed(2)).join(' / ')}  (${told} guests)`,
      );
    }
  },
};

class Rig implements AsyncDisposable {
  readonly taps: HeldTap[] = [];
  readonly #lab: Lab;
  readonly #wire: Wire;
  readonly #stays: boolean;
  readonly #losses: LossWatch;
  readonly #ready = new Epoll(2);
  #agent: AgentProcess | null = null;

  private constructor(lab: Lab, stays: boolean) {
    this.#lab = lab;
    this.#stays = stays;
    this.#wire = lab.guest('cvm-2').openWire();
    this.#losses = new LossWatch(lab.host.path);
    this.#ready.add(this.#wire.fd, 0);
    this.#ready.add(this.#losses.fd, 1);
  }

  static async create(guests: number, stays: boolean): Promise<Rig> {
    const lab = await Lab.create({ guests: ['cvm-2'] });
    const rig = new Rig(lab, stays);
    for (let i = 0; i < guests; i++) rig.taps.push(new HeldTap(lab.host, `vm${i}`, stays));
    await rig.#up();
    rig.#agent = await lab.startAgent({ config: configOf(lab, guests), realtime: true });
    await rig.#live();
    return rig;
  }

  /** One after the other; how late each backup was told. */
  async eachAlone(way: Way): Promise<number[]> {
    const late: number[] = [];
    for (let guest = 0; guest < this.taps.length; guest++) {
      this.#speak(guest);
      await sleep(30);
      late.push(...this.#watch(() => way.kill(this, guest), 1));
      await sleep(10);
    }
    return late;
  }

  async all(way: Way): Promise<number[]> {
    for (let guest = 0; guest < this.taps.length; guest++) this.#speak(guest);
    await sleep(200);
    return this.#watch(() => way.kill(this, 0), this.taps.length);
  }

  /** All taps are made anew, and their guests are masters again. */
  async revive(): Promise<void> {
    for (const tap of this.taps) tap.die();
    await sleep(200);
    for (const [i, { name }] of this.taps.entries()) this.taps[i] = new HeldTap(this.#lab.host, name, this.#stays);
    await this.#up();
    await sleep(500);
    await this.#live();
  }

  dieAll(): void {
    for (const tap of this.taps) tap.die();
  }

  /** Not waited for: the kernel says when it is done. */
  ip(line: string): void {
    spawn('ip', ['-n', this.#lab.host.name, ...line.split(' ')], { stdio: 'ignore' });
  }

  /** Blocks until so many backups were told, or the time is over. */
  #watch(kill: () => void, guests: number): number[] {
    while (this.#wire.receive() !== null);
    this.#losses.forget();
    const told = new Map<number, number>();
    kill();
    for (const untilNs = systemClock.nowNs() + LIMIT_MS * 1e6; told.size < guests && systemClock.nowNs() < untilNs;) {
      this.#ready.wait(LIMIT_MS);
      const nowNs = systemClock.nowNs();
      this.#losses.note(nowNs);
      for (let frame = this.#wire.receive(); frame !== null; frame = this.#wire.receive()) {
        const guest = frame[VRRP_AT + 1]! - 1;
        if (isHastened(frame) && !told.has(guest)) told.set(guest, nowNs);
      }
    }
    return [...told].map(([guest, ns]) => (ns - this.#losses.ofNs(`vm${guest}`)) / 1e6 - LIMITS.assistGuardMs);
  }

  async #up(): Promise<void> {
    await this.#lab.host.ip(...this.taps.map(({ name }) => `link set ${name} up group ${GROUP}`));
  }

  /** Every guest becomes master, and the agent says so. */
  async #live(): Promise<void> {
    for (let guest = 0; guest < this.taps.length; guest++) this.#speak(guest);
    const held = (havips: readonly { readonly state: string; readonly assist: string | null }[]) =>
      havips.filter(({ state, assist }) => state === 'bound' && assist === 'ready').length >= this.taps.length;
    await this.#agent!.waitForApi('/api/v1/havips', 'every HAVIP held', held);
  }

  #speak(guest: number): void {
    const { mac, address, havip } = guestOf(guest);
    const advert = vrrp({
      version: 3,
      source: mac,
      ipSource: address,
      vrid: guest + 1,
      priority: 100,
      interval: 4095,
      addresses: [havip],
    });
    this.taps[guest]!.send(advert);
    this.taps[guest]!.send(arp({ source: mac, senderAddress: havip }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const tap of this.taps) tap.die();
    this.#ready.close();
    this.#wire.close();
    this.#losses.close();
    this.#lab.destroy();
  }
}

/** The kernel's announcements of interfaces that are gone or have no carrier: it removes one after the other. */
class LossWatch {
  readonly #events: LinkEvents;
  readonly #lostNs = new Map<string, number>();

  constructor(namespacePath: string) {
    this.#events = inNamespace(namespacePath, () => new LinkEvents());
  }

  get fd(): number {
    return this.#events.fd;
  }

  forget(): void {
    this.note(0);
    this.#lostNs.clear();
  }

  /** Takes what was announced, which was just now. */
  note(nowNs: number): void {
    this.#events.drain(({ name, carrier }, gone) => {
      if ((gone || !carrier) && !this.#lostNs.has(name)) this.#lostNs.set(name, nowNs);
    });
  }

  ofNs(name: string): number {
    return must(this.#lostNs.get(name), `the kernel told of ${name}`);
  }

  close(): void {
    this.#events.close();
  }
}

function guestOf(guest: number) {
  const low = guest.toString(16).padStart(2, '0');
  return { mac: `02:00:ac:11:11:${low}`, address: `172.17.17.${guest + 1}`, havip: `172.17.18.${guest + 1}` };
}

function configOf(lab: Lab, guests: number): string {
  return lab.config((config) => {
    const [vpc] = config.vpcs;
    vpc!.subnets[0]!.cidr = SUBNET;
    vpc!.havips = Array.from({ length: guests }, (_, i) => {
      const { havip } = guestOf(i);
      return { id: `notice-${i}`, subnet: 'subnet-a', address: havip, members: [`guest-${i}`, 'cvm-2'], assist: 'resign' };
    });
    for (let i = 0; i < guests; i++) {
      const { mac, address } = guestOf(i);
      config.ports.push({ interface: `vm${i}`, instance: `guest-${i}`, subnet: 'subnet-a', mac, addresses: [address] });
    }
  });
}
