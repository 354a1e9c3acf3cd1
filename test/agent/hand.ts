/** An agent fed by hand: a manual clock, the memory switch, claims as a test says them. */
import { Agent, type AgentOptions } from '../../src/agent/agent.ts';
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { V } from '../../src/base/verdict.ts';
import { type Config, parseConfig } from '../../src/config/config.ts';
import type { Claim, ClaimKind, ClaimSource, LinkChange } from '../../src/lane/claim.ts';
import type { Log } from '../../src/base/log.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import type { LaterSwitch } from '../vswitch/later.ts';
import { arp } from '../../native-fixtures/frames.ts';
import { formatMac } from '../../src/base/mac.ts';
import { formatIpv4 } from '../../src/base/address.ts';

export const CONFIG = `
host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }]
    havips:
      - { id: havip-1, subnet: subnet-a, address: 172.17.16.3, members: [cvm-1, cvm-2] }
      - { id: havip-2, subnet: subnet-a, address: 172.17.16.4 }
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.7] }
  - { interface: tap13, instance: cvm-2, subnet: subnet-a, mac: "02:00:ac:11:10:0d", addresses: [172.17.16.13] }
vswitch: { driver: memory }
`;

export function configOf(text: string): Config {
  const parsed = parseConfig(text);
  if (!parsed.ok) throw new Error(parsed.mistakes.map((mistake) => mistake.message).join('; '));
  return parsed.config;
}

export class HandSource implements ClaimSource {
  readonly waiting: (Claim | LinkChange)[] = [];

  drain(onClaim: (claim: Claim) => void, onLink: (change: LinkChange) => void): void {
    for (const one of this.waiting.splice(0)) {
      if ('kind' in one) onClaim(one);
      else onLink(one);
    }
  }

  wait(): Promise<void> {
    return new Promise(() => {});
  }
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

export function listLog(lines: LogLine[]): Log {
  const at = (level: string) => (_fields: object, message: string) => void lines.push({ level, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), setLevel: () => {} };
}

interface HandOptions {
  readonly config?: string;
  /** Handed in to start a second agent on what a first one left there. */
  readonly vswitch?: MemorySwitch;
  /** Answers when it is told to. */
  readonly later?: LaterSwitch<MemorySwitch>;
  readonly clock?: ManualClock;
  readonly share?: AgentOptions['share'];
}

export function handAgent(options: HandOptions = {}) {
  const clock = options.clock ?? new ManualClock();
  const vswitch = options.later?.of ?? options.vswitch ?? new MemorySwitch();
  const source = new HandSource();
  const lines: LogLine[] = [];
  const programmedSeconds: number[] = [];
  const agent = new Agent({
    config: configOf(options.config ?? CONFIG),
    clock,
    log: listLog(lines),
    vswitch: options.later ?? vswitch,
    found: vswitch.list(),
    workers: null,
    sources: [source],
    observe: { claimToProgrammed: (seconds) => programmedSeconds.push(seconds) },
    ...(options.share && { share: options.share }),
  });
  const portOf = (name: string) =>
    must(
      agent.network.ports.find((port) => port?.interface === name),
      name,
    );
  const link = (name: string, state: LinkChange['state']) => {
    source.waiting.push({ port: portOf(name).index, state, ifindex: state === 'absent' ? 0 : 5, atNs: clock.nowNs() });
    agent.turn();
  };
  const say = (name: string, id: string, kind: ClaimKind = 'announce') => {
    const port = portOf(name);
    const havip = must(
      agent.network.havips.find((one) => one?.id === id),
      id,
    );
    const { mac } = port;
    const frame = arp({ source: formatMac(mac), senderAddress: formatIpv4(havip.address) });
    const verdict = V['havip-claim'];
    source.waiting.push({
      kind,
      verdict,
      port: port.index,
      havip: havip.index,
      mac,
      capturedNs: clock.nowNs(),
      vrrp: null,
      frame,
    });
  };
  return { agent, clock, vswitch, source, lines, programmedSeconds, link, say };
}

/** Who holds a HAVIP according to the switch; null: nobody. */
export function holderInSwitch(vswitch: MemorySwitch, address: string): string | null {
  const entry = vswitch.list().find(({ kind, key }) => kind === 'holder' && key.endsWith(` ${address}`));
  return entry?.value.split(' ')[0] ?? null;
}
