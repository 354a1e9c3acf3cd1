/**
 * What passes while the agent is killed and while somebody flushes all tables? A guest sends 500 spoofs a second, each with a number; a
 * listener on the bridge says which it heard. The window is the kernel's: from the announcement of a flush to that of the transaction
 * that brought the guard back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { HAVIP } from '../native-fixtures/lab/topology.ts';
import type { Wire } from '../native-fixtures/lab/wire.ts';
import { formatIpv4 } from '../src/base/address.ts';
import { systemClock } from '../src/base/clock.ts';
import type { Bench } from './bench.ts';
import { type Away, flushRuleset, spread } from './repair.ts';

const PER_SECOND = 500;
const KILLS = 100;
const FLUSHES = 30;
/** A spoof's time is that before send(2). */
const SLACK_MS = 1;
/** Where an ARP packet has its target, here the number of the spoof. */
const TARGET_AT = 38;

/** Sends as many as are due, whatever else this thread does. */
class Spoofer implements Disposable {
  readonly sentNs: number[] = [];
  readonly #wire: Wire;
  readonly #ear: Wire;
  readonly #source: string;
  readonly #timer: NodeJS.Timeout;
  readonly #startNs = systemClock.nowNs();

  constructor(lab: Lab) {
    this.#wire = lab.guest('cvm-3').openWire();
    this.#ear = lab.client.openWire();
    this.#source = lab.guest('cvm-3').spec.mac;
    this.#timer = setInterval(() => this.#send(), 1000 / PER_SECOND);
  }

  /** Numbers of those that the listener has heard since the last call. */
  heard(): number[] {
    const numbers: number[] = [];
    for (let frame = this.#ear.receive(); frame !== null; frame = this.#ear.receive())
      if (frame.length >= 42 && frame.readUInt16BE(12) === 0x0806 && frame.readUInt32BE(28) === HAVIP_NUMBER)
        numbers.push(frame.readUInt32BE(TARGET_AT));
    return numbers;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#wire.close();
    this.#ear.close();
  }

  #send(): void {
    const due = ((systemClock.nowNs() - this.#startNs) / 1e9) * PER_SECOND;
    while (this.sentNs.length < due) {
      const targetAddress = formatIpv4(this.sentNs.length);
      const frame = arp({ source: this.#source, senderAddress: HAVIP, targetAddress });
      this.sentNs.push(systemClock.nowNs());
      this.#wire.send(frame);
    }
  }
}

const HAVIP_NUMBER = HAVIP.split('.').reduce((number, octet) => number * 256 + Number(octet), 0);

export const bench: Bench = {
  name: 'badday',
  question: 'what passes under 500 spoofs a second while the agent is killed, and while all tables are flushed?',
  async run({ small, print }) {
    const [kills, flushes] = small ? [3, 3] : [KILLS, FLUSHES];
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'cvm-3', 'client'] });
    const agent = await lab.startAgent({ realtime: true });
    using spoofer = new Spoofer(lab);
    const killed = await killOften(lab, agent, spoofer, kills);
    print(`  ${kills} times killed with SIGKILL and started again: ${killed.passed} of ${killed.sent} spoofs passed`);
    const windows: Away[] = [];
    const from = spoofer.sentNs.length;
    for (let i = 0; i < flushes; i++) {
      windows.push(await flushRuleset(lab.host));
      await sleep(100);
    }
    const passed = spoofer.heard().map((number) => spoofer.sentNs[number] ?? 0);
    const away = spread(windows.map(({ flushedNs, guardedNs }) => guardedNs - flushedNs));
    const outside = passed.filter((sentNs) => !windows.some((window) => isIn(window, sentNs)));
    print(
      `  ${flushes} times \`nft flush ruleset\`: the guard was away for ${away}; ${passed.length} of ${spoofer.sentNs.length - from} spoofs passed, ${outside.length} of them when no flush was under way`,
    );
    if (killed.passed + outside.length > 0) throw new Error('badday: a spoof passed while the guard stood');
  },
};

async function killOften(lab: Lab, first: AgentProcess, spoofer: Spoofer, kills: number) {
  const from = spoofer.sentNs.length;
  let agent = first;
  for (let i = 0; i < kills; i++) {
    await agent.stop('SIGKILL');
    agent = await lab.startAgent({ realtime: true });
  }
  return { passed: spoofer.heard().length, sent: spoofer.sentNs.length - from };
}

function isIn({ startedNs, guardedNs }: Away, sentNs: number): boolean {
  return sentNs > startedNs - SLACK_MS * 1e6 && sentNs < guardedNs + SLACK_MS * 1e6;
}
