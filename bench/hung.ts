/**
 * Guests that stand still, and guests that are only slow (`assist: { on: [hung] }`). A slow one's adverts are late by 80 % and its machine
 * answers ARP: it is never resigned for. One that stands still is: taps whose end is this process fall silent, and a real guest (QEMU,
 * Debian's kernel and keepalived) is stopped by SIGSTOP, so that its backup takes over while a client pings the HAVIP.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { arp, vrrp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import type { Keepalived } from '../native-fixtures/lab/keepalived.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { monotonicMs, type Ping } from '../native-fixtures/lab/ping.ts';
import { HeldTap } from '../native-fixtures/lab/tap.ts';
import { type AgentConfig, GUESTS, HAVIP } from '../native-fixtures/lab/topology.ts';
import { beWitness } from '../native-fixtures/lab/witness.ts';
import type { Wire } from '../native-fixtures/lab/wire.ts';
import { bootedGuest, guestImage, whyNoGuests } from '../native-fixtures/qemu/image.ts';
import { Machine } from '../native-fixtures/qemu/machine.ts';
import { Epoll } from '../src/abi/epoll.ts';
import { must } from '../src/base/assert.ts';
import { systemClock } from '../src/base/clock.ts';
import type { HavipView } from '../src/ledger/view.ts';
import { type Bench, median } from './bench.ts';

const ON_HUNG = { on: ['link-down', 'hung'] };
const ASSISTS = 'havip_assisted_resigns_total';
const INTERVAL_MS = 1000;
const LATE_MS = 1.8 * INTERVAL_MS;
const TAPS = 20;
const ROUNDS = 10;
const SILENT_LIMIT_MS = 5000;
const STOPS_PER_LAB = 50;
const LABS = 4;
const GOAL_MS = 1800;
const PATH = '/api/v1/havips/havip-1';
const PING_LIMIT_MS = 900_000;
const TAKEOVER_MS = 30_000;
const GOLDEN = 0.618_034;

export const bench: Bench = {
  name: 'hung',
  question: 'how soon is a guest taken over that stands still, and is a slow one ever resigned for?',
  async run({ small, print }) {
    // A machine that gets no CPU for the time of three questions is none that answers.
    beWitness();
    await slowAndSilent(small ? 3 : TAPS, small ? 2 : ROUNDS, print);
    const wanting = whyNoGuests();
    if (small) return;
    if (wanting !== null) print(`  real guests: none, ${wanting}`);
    else await stopRealGuests(print);
  },
};

async function slowAndSilent(taps: number, rounds: number, print: (line: string) => void): Promise<void> {
  await using guests = await SlowGuests.create(taps);
  await guests.live(3 * INTERVAL_MS, INTERVAL_MS);
  await guests.ready();
  const before = guests.answered;
  await guests.live(rounds * LATE_MS, LATE_MS);
  const resigned = await guests.agent.metric(ASSISTS);
  print(
    `  adverts late by 80 %, answers ARP: resigned for ${resigned} times in ${taps * rounds} (${guests.answered - before} questions answered)`,
  );
  await guests.live(2 * INTERVAL_MS, INTERVAL_MS);
  const told = guests.fallSilent();
  print(
    `  stands still: ${told.length} of ${taps} backups told, ms after the last advert: median ${median(told).toFixed(0)}, max ${Math.max(...told).toFixed(0)}`,
  );
  if (resigned > 0) throw new Error('hung: the agent resigned for a guest that answers');
  if (told.length < taps) throw new Error('hung: a backup was not told');
}

const addressOf = (guest: number) => `172.17.16.${150 + guest}`;
const macOf = (guest: number) => `02:00:ac:11:13:${guest.toString(16).padStart(2, '0')}`;
const havipOf = (guest: number) => `172.17.16.${200 + guest}`;

/** Masters of a HAVIP each, whose ends are in this process. */
class SlowGuests implements AsyncDisposable {
  readonly agent: AgentProcess;
  answered = 0;
  readonly #lab: Lab;
  readonly #taps: readonly HeldTap[];
  readonly #wire: Wire;
  readonly #ready: Epoll;

  private constructor(lab: Lab, agent: AgentProcess, taps: readonly HeldTap[]) {
    this.agent = agent;
    this.#lab = lab;
    this.#taps = taps;
    this.#wire = lab.guest('cvm-2').openWire();
    this.#ready = new Epoll(taps.length);
    for (const [guest, tap] of taps.entries()) this.#ready.add(tap.fd, guest);
  }

  static async create(count: number): Promise<SlowGuests> {
    const lab = await Lab.create({ guests: ['cvm-2'] });
    const taps = Array.from({ length: count }, (_, guest) => new HeldTap(lab.host, `vm${guest}`, false));
    await lab.host.ip(...taps.map(({ name }) => `link set ${name} up`));
    const config = lab.config(({ vpcs: [vpc], ports }) => {
      vpc!.havips = taps.map((_, guest) => {
        const members = [`slow-${guest}`, 'cvm-2'];
        return { id: `slow-${guest}`, subnet: 'subnet-a', address: havipOf(guest), members, assist: ON_HUNG };
      });
      for (const [guest, { name }] of taps.entries()) {
        const port = { interface: name, instance: `slow-${guest}`, subnet: 'subnet-a', mac: macOf(guest) };
        ports.push({ ...port, addresses: [addressOf(guest)] });
      }
    });
    return new SlowGuests(lab, await lab.startAgent({ config, realtime: true }), taps);
  }

  /** They answer all the time and advertise at this interval, each at a moment of its own. */
  async live(forMs: number, intervalMs: number): Promise<void> {
    const startMs = monotonicMs();
    const nextMs = this.#taps.map((_, guest) => startMs + (guest / this.#taps.length) * intervalMs);
    for (let nowMs = startMs; nowMs < startMs + forMs; nowMs = monotonicMs()) {
      for (const [guest, dueMs] of nextMs.entries()) {
        if (dueMs > nowMs) continue;
        this.#speak(guest);
        nextMs[guest] = dueMs + intervalMs;
      }
      this.#answer();
      await sleep(2);
    }
  }

  /** Each has answered a question in peace. */
  async ready(): Promise<void> {
    const isReady = (havips: readonly { readonly state: string; readonly assist: string | null }[]) =>
      havips.filter(({ state, assist }) => state === 'bound' && assist === 'ready').length === this.#taps.length;
    for (let asked = 0; asked < 30; asked++) {
      await this.live(INTERVAL_MS, INTERVAL_MS);
      if (isReady(await this.agent.api('/api/v1/havips'))) return;
    }
    throw new Error('hung: the guests are not known to answer');
  }

  /** How long after its last advert each backup was told; blocks. */
  fallSilent(): number[] {
    while (this.#wire.receive() !== null);
    const lastNs = this.#taps.map((_, guest) => {
      this.#speak(guest);
      return systemClock.nowNs();
    });
    const told = new Map<number, number>();
    for (const untilNs = systemClock.nowNs() + SILENT_LIMIT_MS * 1e6; told.size < this.#taps.length;) {
      const frame = this.#wire.receiveWithin(SILENT_LIMIT_MS);
      const nowNs = systemClock.nowNs();
      if (nowNs > untilNs) break;
      if (frame === null || frame[23] !== 112 || (frame.readUInt16BE(38) & 0xfff) !== 1) continue;
      const guest = frame[35]! - 1;
      if (!told.has(guest)) told.set(guest, (nowNs - must(lastNs[guest], 'one of the guests')) / 1e6);
    }
    return [...told.values()];
  }

  #speak(guest: number): void {
    const [source, ipSource, address] = [macOf(guest), addressOf(guest), havipOf(guest)];
    const advert = { version: 3, source, ipSource, vrid: guest + 1, priority: 100, interval: INTERVAL_MS / 10 } as const;
    this.#taps[guest]!.send(vrrp({ ...advert, addresses: [address] }));
    this.#taps[guest]!.send(arp({ source, senderAddress: address }));
  }

  /** As a machine does: whoever asks for its own address is told. */
  #answer(): void {
    for (let ready = this.#ready.wait(0); ready > 0; ready = this.#ready.wait(0)) {
      for (let i = 0; i < ready; i++) {
        const guest = this.#ready.ready(i);
        const frame = this.#taps[guest]!.receive();
        const asks = frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 1;
        if (!asks || frame.subarray(38, 42).join('.') !== addressOf(guest)) continue;
        this.answered++;
        this.#taps[guest]!.send(arp({ source: macOf(guest), senderAddress: addressOf(guest), operation: 2 }));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ready.close();
    this.#wire.close();
    for (const tap of this.#taps) tap.die();
    this.#lab.destroy();
  }
}

interface Stop {
  readonly outageMs: number;
  readonly cause: string | undefined;
}

async function stopRealGuests(print: (line: string) => void): Promise<void> {
  await bootedGuest(await guestImage(), theGuest());
  const stops = (await Promise.all(Array.from({ length: LABS }, () => stopInLab(STOPS_PER_LAB)))).flat();
  const outages = stops.map(({ outageMs }) => outageMs).toSorted((a, b) => a - b);
  const hung = stops.filter(({ cause }) => cause === 'hung').length;
  const soon = outages.filter((ms) => ms <= GOAL_MS).length;
  print(
    `  real guest stopped (SIGSTOP), version 3: cause hung in ${hung} of ${stops.length}; client without: median ${median(outages).toFixed(0)} ms, ` +
      `p99 ${outages[Math.floor(outages.length * 0.99)]!.toFixed(0)}, max ${outages.at(-1)!.toFixed(0)}; within ${GOAL_MS} ms ${soon} of ${stops.length}`,
  );
  if (hung < stops.length) throw new Error('hung: another cause was told');
}

const theGuest = () =>
  must(
    GUESTS.find(({ instance }) => instance === 'cvm-1'),
    'cvm-1',
  );

/** The real guest is the holder, stands still, comes back as backup, and gets it again when the other one ends cleanly. */
async function stopInLab(times: number): Promise<Stop[]> {
  await using lab = await Lab.create({ guests: ['cvm-2', 'client'] });
  const agent = await lab.startAgent({ config: lab.config(configure), realtime: true });
  const image = await guestImage();
  const { state } = await bootedGuest(image, theGuest());
  const machine = await Machine.start({ image, space: lab.host, directory: lab.directory, spec: theGuest(), from: state });
  try {
    await machine.plug();
    await machine.startKeepalived({ version: 3 });
    await machine.enters('MASTER');
    const ping = lab.client.ping(HAVIP, { intervalMs: 5, limitMs: PING_LIMIT_MS, realtime: true });
    const stops: Stop[] = [];
    for (let i = 0; i < times; i++) {
      const backup = await lab.guest('cvm-2').keepalived({ version: 3 });
      await ping.reply(TAKEOVER_MS);
      await agent.waitForApi<HavipView>(PATH, 'a holder that answers', isReadyHolder, TAKEOVER_MS);
      await sleep(INTERVAL_MS * (1 + ((i * GOLDEN) % 1)));
      stops.push(await stopOnce(agent, machine, backup, ping));
      await backup.stop();
      await machine.enters('MASTER');
    }
    return stops;
  } finally {
    await machine.kill();
  }
}

const isReadyHolder = ({ holder, assist }: HavipView) => holder?.instance === 'cvm-1' && assist === 'ready';

async function stopOnce(agent: AgentProcess, machine: Machine, backup: Keepalived, ping: Ping): Promise<Stop> {
  const { failovers } = await agent.api<HavipView>(PATH);
  const sinceMs = monotonicMs();
  machine.process.signal('SIGSTOP');
  await backup.enters('MASTER', TAKEOVER_MS);
  const outage = await ping.outage(sinceMs, TAKEOVER_MS);
  const { lastFailover } = await agent.waitForApi<HavipView>(PATH, 'the end of it', (view) => view.failovers > failovers);
  machine.process.signal('SIGCONT');
  await machine.enters('BACKUP');
  return { outageMs: outage.durationMs, cause: lastFailover?.cause };
}

function configure(config: AgentConfig): void {
  const { tap, instance, subnet, mac, address } = theGuest();
  config.ports.push({ interface: tap, instance, subnet, mac, addresses: [address] });
  Object.assign(config.vpcs[0]!.havips[0]!, { assist: ON_HUNG });
}
