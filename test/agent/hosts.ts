/** Hosts with the whole agent, over one store: each with a memory switch, fed by hand, on the real clock. */
import { Agent } from '../../src/agent/agent.ts';
import { Sharing } from '../../src/agent/sharing.ts';
import { must } from '../../src/base/assert.ts';
import { systemClock } from '../../src/base/clock.ts';
import { formatIpv4 } from '../../src/base/address.ts';
import { formatMac } from '../../src/base/mac.ts';
import { V } from '../../src/base/verdict.ts';
import { EtcdFabric } from '../../src/fabric/etcd/etcd.ts';
import type { ClaimKind, LinkChange } from '../../src/lane/claim.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { arp } from '../../native-fixtures/frames.ts';
import { configOf, HandSource, listLog, type LogLine } from './hand.ts';

/** Which instance is on which host: cvm-N on host-N. */
export function configFor(host: number, more = ''): string {
  return `
host: { id: host-${host}, vtep: 10.99.0.${host} }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }]
    havips:
${Array.from({ length: 50 }, (_, i) => `      - { id: havip-${i + 1}, subnet: subnet-a, address: 172.17.16.${100 + i}, members: [cvm-1, cvm-2, cvm-7] }`).join('\n')}
ports:
  - { interface: tap${host}, instance: cvm-${host}, subnet: subnet-a, mac: "02:00:ac:11:10:0${host}", addresses: [172.17.16.1${host}] }
${more}
uplinks: [{ interface: vx10, vpc: vpc-1 }]
vswitch: { driver: memory }
`;
}

function later(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
}

export class Host {
  readonly name: string;
  readonly vswitch: MemorySwitch;
  readonly lines: LogLine[] = [];
  readonly source = new HandSource();
  /** What the store told of lost links; null: taken back. */
  readonly signs: unknown[] = [];
  readonly agent: Agent;

  constructor(
    number: number,
    endpoints: readonly string[],
    options: { vswitch?: MemorySwitch; more?: string; bootId?: string } = {},
  ) {
    this.name = `host-${number}`;
    this.vswitch = options.vswitch ?? new MemorySwitch();
    const config = configOf(configFor(number, options.more));
    const log = listLog(this.lines);
    const fabric = new EtcdFabric({
      endpoints,
      prefix: '/havip/v1',
      host: this.name,
      leaseSeconds: 30,
      random: Math.random,
      tls: null,
      user: null,
      password: () => null,
      note: (message) => log.warn({}, message),
    });
    const startFabric = fabric.start.bind(fabric);
    fabric.start = (events) =>
      startFabric({
        ...events,
        changes: (items) => {
          events.changes(items);
          for (const { kind, value } of items) if (kind === 'sign') this.signs.push(value);
        },
      });
    const startedMs = Date.now();
    const record = { vtep: `10.99.0.${number}`, version: 'test', startedMs, bootId: options.bootId ?? `boot-of-${number}` };
    const parts = {
      fabric,
      clock: systemClock,
      log,
      host: this.name,
      vtep: config.host.vtep,
      record,
      random: Math.random,
      later,
    };
    this.agent = new Agent({
      config,
      clock: systemClock,
      log,
      vswitch: this.vswitch,
      found: this.vswitch.list(),
      workers: null,
      sources: [this.source],
      share: ({ ledger, network, ways, onDecided }) => new Sharing({ ...parts, ledger, ways, onDecided }, network),
    });
    this.agent.run();
  }

  /** A guest of this host says that it has these HAVIPs. */
  say(instance: string, havips: readonly string[], kind: ClaimKind = 'announce'): void {
    const { network } = this.agent;
    const port = must(
      network.ports.find((one) => one?.instance === instance),
      instance,
    );
    for (const id of havips) {
      const havip = must(
        network.havips.find((one) => one?.id === id),
        id,
      );
      const frame = arp({ source: formatMac(port.mac), senderAddress: formatIpv4(havip.address) });
      const claim = {
        kind,
        verdict: V['havip-claim'],
        port: port.index,
        mac: port.mac,
        capturedNs: systemClock.nowNs(),
        vrrp: null,
        frame,
      };
      this.source.waiting.push({ ...claim, havip: kind === 'relocate' ? -1 : havip.index });
    }
    this.agent.turn();
  }

  /** The link of its guest. */
  link(state: LinkChange['state']): void {
    const [port] = this.agent.network.ports;
    const ifindex = state === 'absent' ? 0 : 5;
    this.source.waiting.push({ port: must(port ?? null, 'a port').index, state, ifindex, atNs: systemClock.nowNs() });
    this.agent.turn();
  }

  /** What its switch does with packets to a HAVIP: interface and MAC; null: nothing. */
  programmed(havip: string): string | null {
    const address = formatIpv4(must(this.agent.network.havips.find((one) => one?.id === havip)?.address ?? null, havip));
    const entry = this.vswitch.list().find(({ kind, key }) => kind === 'holder' && key.endsWith(` ${address}`));
    return entry?.value.split(' ').slice(0, 2).join(' ') ?? null;
  }

  view(havip: string) {
    const index = must(this.agent.network.havips.find((one) => one?.id === havip)?.index ?? null, havip);
    return must(this.agent.ledger.view(index, systemClock.nowNs()), havip);
  }
}
