/**
 * VRRP that is somebody else's and virtual MACs that somebody else holds, against real keepalived behind the real guard: no state changes,
 * no ping is lost, and it is said who did it. First without a guard, so that attacks that do nothing here are noticed. Needs root.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { arp, BROADCAST, vrrp, type VrrpFields } from '../../native-fixtures/frames.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import type { Keepalived, KeepalivedOptions } from '../../native-fixtures/lab/keepalived.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { type AgentConfig, type GuestSpec, HAVIP } from '../../native-fixtures/lab/topology.ts';
import { ipv4, udpHeader } from '../../native-fixtures/packets.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('attacks on VRRP in the lab: skipped, it needs root to make network namespaces');

const LIMIT_MS = 20_000;
const ATTACK_MS = 8000;
const EVERY_MS = 250;
const VMAC = '00:00:5e:00:01:33';
/** Of cvm-3 alone. */
const OTHER_HAVIP = '172.17.16.33';
/** A non-member, a member of another HAVIP, and a guest of another subnet that may claim one there. */
const ATTACKERS = ['client', 'cvm-3', 'cvm-4'];

const MODES: readonly (readonly [string, KeepalivedOptions])[] = [
  ['version 2, unicast', { version: 2 }],
  ['version 2, multicast', { version: 2, multicast: true }],
  ['version 3, unicast', { version: 3 }],
  ['version 3, multicast', { version: 3, multicast: true }],
  ['version 2, multicast, virtual MAC', { version: 2, multicast: true, virtualMac: true }],
  ['version 3, unicast, virtual MAC', { version: 3, virtualMac: true }],
  ['version 3, multicast, virtual MAC', { version: 3, multicast: true, virtualMac: true }],
];

function withOther(config: AgentConfig): void {
  config.vpcs[0]?.havips.push({ id: 'havip-3', subnet: 'subnet-a', address: OTHER_HAVIP, members: ['cvm-3'] });
}

/** Adverts of VRID 51 with priority 255, and resignations in the members' names. */
function adverts({ mac: source, address }: GuestSpec, victims: readonly GuestSpec[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const lists = [[HAVIP], [], [address], [OTHER_HAVIP], [OTHER_HAVIP, HAVIP], ['172.17.32.3']];
  const everybody: Partial<VrrpFields>[] = [
    { ipDestination: '255.255.255.255', destinationMac: BROADCAST },
    { ipDestination: '224.0.0.1', destinationMac: '01:00:5e:00:00:01' },
  ];
  const inOnesName = victims.flatMap(({ address: ipSource }) => [{ ipSource }, { ipSource, priority: 0 }]);
  const toOne = victims.map(({ mac, address: ipDestination }) => ({ destinationMac: mac, ipDestination }));
  const forms: Partial<VrrpFields>[] = [{}, { source: VMAC }, { signed: true }, { ipOptions: 1 }, ...toOne];
  for (const more of [{ version: 2, password: '1111' }, { version: 3 }] as const) {
    const send = (addresses: string[], form: Partial<VrrpFields>) =>
      frames.push(vrrp({ source, ipSource: address, priority: 255, addresses, ...more, ...form }));
    for (const list of lists) for (const form of forms) send(list, form);
    for (const form of [...everybody, ...inOnesName]) send([HAVIP], form);
  }
  return frames;
}

/** What makes a bridge learn the virtual MAC behind the attacker. */
function thefts({ mac, address }: GuestSpec, client: GuestSpec): Uint8Array[] {
  const udp = { source: VMAC, ipSource: address, ipDestination: client.address, protocol: 17, payload: udpHeader(9, 9) };
  return [
    arp({ source: VMAC, senderMac: mac, senderAddress: address }),
    arp({ source: VMAC, senderAddress: address, targetAddress: client.address }),
    arp({ source: VMAC, senderAddress: HAVIP }),
    ipv4(udp),
    ipv4({ ...udp, destinationMac: client.mac }),
  ];
}

class Scene implements AsyncDisposable {
  readonly lab: Lab;
  readonly first: Keepalived;
  readonly second: Keepalived;
  readonly agent: AgentProcess | null;

  static async of(options: KeepalivedOptions, guarded: boolean): Promise<Scene> {
    const lab = await Lab.create();
    const agent = guarded ? await lab.startAgent({ config: lab.config(withOther) }) : null;
    const first = await lab.guest('cvm-1').keepalived({ ...options, priority: 100 });
    await first.enters('MASTER', LIMIT_MS);
    const second = await lab.guest('cvm-2').keepalived({ ...options, priority: 80 });
    return new Scene(lab, agent, first, second);
  }

  private constructor(lab: Lab, agent: AgentProcess | null, first: Keepalived, second: Keepalived) {
    this.lab = lab;
    this.agent = agent;
    this.first = first;
    this.second = second;
  }

  changes(): number {
    return [this.first, this.second].flatMap((one) => one.process.stderr.filter((line) => line.includes('Entering'))).length;
  }

  view(): Promise<HavipView> | undefined {
    return this.agent?.api<HavipView>('/api/v1/havips/havip-1');
  }

  /** Each attacker sends all its frames four times a second; how often members changed their state and how many pings were lost. */
  async attack(framesOf: (attacker: GuestSpec) => Uint8Array[]): Promise<{ changes: number; lost: number }> {
    const ping = this.lab.client.ping(HAVIP, { intervalMs: 10 });
    await ping.reply(LIMIT_MS);
    const before = this.changes();
    const wires = ATTACKERS.map((name) => {
      const { spec } = this.lab.guest(name);
      return { wire: this.lab.guest(name).openWire(), frames: framesOf(spec) };
    });
    for (let sentMs = 0; sentMs < ATTACK_MS; sentMs += EVERY_MS) {
      for (const { wire, frames } of wires) for (const frame of frames) wire.send(frame);
      await sleep(EVERY_MS);
    }
    for (const { wire } of wires) wire.close();
    const outages = await ping.stop();
    return { changes: this.changes() - before, lost: outages.reduce((sum, { lost }) => sum + lost, 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lab.destroy();
  }
}

const victimsOf = ({ lab }: Scene) => ['cvm-1', 'cvm-2'].map((name) => lab.guest(name).spec);

describe.runIf(root).concurrent('VRRP of others, and real keepalived', () => {
  test('without a guard members step down, and pings to a virtual MAC are lost', async ({ expect }) => {
    await using plain = await Scene.of({ version: 3, multicast: true }, false);
    expect((await plain.attack((attacker) => adverts(attacker, victimsOf(plain)))).changes).toBeGreaterThan(0);
    await using virtual = await Scene.of({ version: 3, multicast: true, virtualMac: true }, false);
    expect((await virtual.attack((attacker) => thefts(attacker, virtual.lab.client.spec))).lost).toBeGreaterThan(0);
  });

  test.for(MODES)('%s: nothing happens, and it is said who tries', async ([, options], { expect }) => {
    await using scene = await Scene.of(options, true);
    const { lab } = scene;
    await expect.poll(async () => (await scene.view())?.holder?.instance, { timeout: LIMIT_MS }).toBe('cvm-1');
    const none = { changes: 0, lost: 0 };
    expect(await scene.attack((attacker) => adverts(attacker, victimsOf(scene)))).toEqual(none);
    if (options.virtualMac === true) expect(await scene.attack((attacker) => thefts(attacker, lab.client.spec))).toEqual(none);
    const { findings = [], holder, failovers } = (await scene.view()) ?? {};
    expect({ holder: holder?.instance, failovers }).toEqual({ holder: 'cvm-1', failovers: 0 });
    const texts = (kind: string) => findings.flatMap((one) => (one.kind === kind ? [one.text] : [])).join('\n');
    for (const name of ATTACKERS) expect(texts('foreign-vrrp')).toContain(lab.guest(name).spec.tap);
    // From a port that may claim nothing, any virtual MAC is a wrong one.
    if (options.virtualMac === true)
      for (const name of ['cvm-3', 'cvm-4']) expect(texts('vmac-conflict')).toContain(lab.guest(name).spec.tap);
    expect(await scene.agent?.metric('havip_verdicts_total', { reason: 'rate-limited' })).toBe(0);
  });
});
