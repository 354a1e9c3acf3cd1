/**
 * Takeovers one at a time: two entitled guests of a lab, many HAVIPs, the real daemon, and two witnesses of each claim: the agent's
 * own phases, from its log, and the kernel's announcement of the transaction. Every takeover is a HAVIP's first move, so that nothing
 * holds it back.
 */
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { arp } from '../native-fixtures/frames.ts';
import type { Guest } from '../native-fixtures/lab/guest.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import type { Wire } from '../native-fixtures/lab/wire.ts';
import { formatIpv4 } from '../src/base/address.ts';
import { systemClock } from '../src/base/clock.ts';
import type { PhasesMs } from '../src/ledger/effects.ts';
import { type FlowChange, SwitchWatch } from '../native-fixtures/lab/switch-watch.ts';

/** 172.17.18.0: above the guests, in a subnet-a that is widened to hold 3,584 HAVIPs. */
const FIRST_ADDRESS = 0xac11_1200;
const SUBNET = '172.17.16.0/20';
const LOST_MS = 2000;
/** As src/api/metrics.ts has it. */
const BETWEEN_LOOKS_MS = 50;

interface Claimant {
  readonly guest: Guest;
  readonly wire: Wire;
}

export interface Scrape {
  /** As seen by the client, connection included. */
  readonly tookMs: number;
  /** How late the agent's event loop was since the last scrape, less the time between two looks. */
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

export class Takeovers {
  readonly lab: Lab;
  agent: AgentProcess;
  readonly #watch: SwitchWatch;
  readonly #claimants: readonly [Claimant, Claimant];

  private constructor(lab: Lab, agent: AgentProcess) {
    this.lab = lab;
    this.agent = agent;
    this.#watch = new SwitchWatch(lab.host.path);
    const claimant = (name: string) => ({ guest: lab.guest(name), wire: lab.guest(name).openWire() });
    this.#claimants = [claimant('cvm-1'), claimant('cvm-2')];
  }

  static async create(havips: number): Promise<Takeovers> {
    const lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'cvm-3', 'client'] });
    try {
      return new Takeovers(lab, await lab.startAgent({ config: configOf(lab, havips), realtime: true }));
    } catch (error) {
      lab.destroy();
      throw error;
    }
  }

  /** Stops the agent and starts another one, which knows nothing. */
  async restart(havips: number): Promise<void> {
    await this.agent.stop();
    const config = configOf(this.lab, havips);
    this.agent = await this.lab.startAgent({ config, realtime: true });
    // A starting agent rehearses in a table of its own, and the witness would have to read all of that first.
    while (this.#watch.next(0) !== null);
  }

  frame(havip: number, by: 0 | 1): Uint8Array {
    return arp({ source: this.#claimants[by].guest.spec.mac, senderAddress: addressOf(havip) });
  }

  /** Sends a claim and waits until the kernel says that the HAVIP's packets go to the claimant: microseconds, or null if it never did. */
  claim(havip: number, by: 0 | 1): number | null {
    const frame = this.frame(havip, by);
    const sentNs = systemClock.nowNs();
    this.#claimants[by].wire.send(frame);
    for (;;) {
      const change = this.#watch.next(LOST_MS);
      if (change === null) return null;
      if (change.flows.get(addressOf(havip)) === this.macOf(by)) return (change.seenNs - sentNs) / 1000;
    }
  }

  /** Sends these frames back to back, as keepalived's loop does; returns when the last had been sent. */
  burst(frames: readonly Uint8Array[], by: 0 | 1): number {
    this.#claimants[by].wire.sendAll(frames);
    return systemClock.nowNs();
  }

  nextChange(limitMs = LOST_MS): FlowChange | null {
    return this.#watch.next(limitMs);
  }

  macOf(by: 0 | 1): string {
    return this.#claimants[by].guest.spec.mac;
  }

  /** The phases of every failover so far, by HAVIP. */
  async failovers(atLeast: number): Promise<Map<number, PhasesMs>> {
    const { process } = this.agent;
    const found = new Map<number, PhasesMs>();
    let read = 0;
    return process.when(`${atLeast} failovers in the log`, () => {
      for (; read < process.stdout.length; read++) {
        const line = process.stdout[read]!;
        if (!line.includes('"kind":"failover"')) continue;
        const { havip, phasesMs } = JSON.parse(line) as { havip: string; phasesMs: PhasesMs };
        found.set(Number(havip.slice(1)), phasesMs);
      }
      return found.size >= atLeast ? found : undefined;
    });
  }

  async scrape(): Promise<Scrape> {
    const sinceMs = performance.now();
    const text = await this.agent.metrics();
    const tookMs = performance.now() - sinceMs;
    const lag = (name: string) => {
      const [, value] = new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'm').exec(text) ?? [];
      return Math.max(0, Number(value) * 1000 - BETWEEN_LOOKS_MS);
    };
    return { tookMs, loopP99Ms: lag('p99'), loopMaxMs: lag('max') };
  }

  [Symbol.dispose](): void {
    this.#watch.close();
    for (const { wire } of this.#claimants) wire.close();
    this.lab.destroy();
  }
}

function configOf(lab: Lab, havips: number): string {
  return lab.config(({ vpcs: [vpc] }) => {
    if (vpc === undefined) return;
    for (const subnet of vpc.subnets) if (subnet.id === 'subnet-a') subnet.cidr = SUBNET;
    for (let i = 0; i < havips; i++) vpc.havips.push({ id: `h${i}`, subnet: 'subnet-a', address: addressOf(i) });
  });
}

export function addressOf(havip: number): string {
  return formatIpv4(FIRST_ADDRESS + havip);
}
