/**
 * Ten thousand HAVIPs with an EIP each, beside as many without: a start that finds all of them bound, and claims that move one. By turns, each on a
 * lab of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { arp } from '../native-fixtures/frames.ts';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { Outside, withEip } from '../native-fixtures/lab/outside.ts';
import { SwitchWatch } from '../native-fixtures/lab/switch-watch.ts';
import { until } from '../native-fixtures/lab/until.ts';
import { formatIpv4 } from '../src/base/address.ts';
import { systemClock } from '../src/base/clock.ts';
import { quantile } from './quantile.ts';
import { usageOf } from './scale-host.ts';

const FIRST_HAVIP = 0xac11_4000;
const FIRST_EIP = 0xc612_0000;
const BURST = 500;
const PAUSE_MS = 5;
const LIMIT_MS = 120_000;
const IDLE_MS = 5000;

interface Figures {
  readonly startMs: number;
  /** From ready until the switch has all EIPs. */
  readonly eipsMs: number | null;
  readonly claimsUs: number[];
  readonly residentMb: number;
  readonly idlePercent: number;
}

export async function manyEips(small: boolean, print: (line: string) => void): Promise<void> {
  const [count, claims, turns] = small ? [50, 10, 1] : [10_000, 300, 2];
  print(
    `  ${count} HAVIPs, all held     start ms   EIPs in the switch after ms   claim us p50 / p99 / max   RSS MB   idle CPU %`,
  );
  for (let turn = 0; turn < turns; turn++) for (const eips of [false, true]) print(row(eips, await measure(count, claims, eips)));
}

function row(eips: boolean, { startMs, eipsMs, claimsUs, residentMb, idlePercent }: Figures): string {
  const us = [0.5, 0.99, 1].map((q) => Math.round(quantile(claimsUs, q))).join(' / ');
  const ms = eipsMs === null ? '-' : eipsMs.toFixed(0);
  return `  ${eips ? 'with an EIP each' : 'without EIPs'}: ${startMs.toFixed(0)}; ${ms}; ${us}; ${residentMb.toFixed(0)}; ${idlePercent.toFixed(1)}`;
}

async function measure(count: number, claims: number, eips: boolean): Promise<Figures> {
  await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
  await using outside = await Outside.build(lab.name, [lab.host]);
  const config = configOf(lab, count, eips);
  const first = await lab.startAgent({ config, realtime: true });
  await bindAll(lab, first, count);
  await first.stop();
  const fromMs = performance.now();
  const agent = await lab.startAgent({ config, realtime: true });
  const startMs = performance.now() - fromMs;
  const readyMs = performance.now();
  if (eips) await until('all EIPs', async () => (await eipsIn(lab)) === count, LIMIT_MS);
  const eipsMs = eips ? performance.now() - readyMs : null;
  await sleep(IDLE_MS);
  const before = usageOf(agent.process.pid);
  await sleep(IDLE_MS);
  const { cpuMs, residentMb } = usageOf(agent.process.pid);
  const idlePercent = ((cpuMs - before.cpuMs) / IDLE_MS) * 100;
  const claimsUs = await move(lab, claims);
  await agent.stop();
  // Until here it answered for the gateway.
  await outside.router.ip('link set in0 down');
  return { startMs, eipsMs, claimsUs, residentMb, idlePercent };
}

function configOf(lab: Lab, count: number, eips: boolean): string {
  return lab.config((config) => {
    const [vpc] = config.vpcs;
    vpc!.subnets = [{ id: 'subnet-a', cidr: '172.17.0.0/17', gateway: '172.17.16.1' }];
    vpc!.havips = Array.from({ length: count }, (_, i) => ({ id: `h${i}`, subnet: 'subnet-a', address: havip(i) }));
    if (!eips) return;
    withEip(config);
    config.eips = Array.from({ length: count }, (_, i) => ({ id: `e${i}`, address: formatIpv4(FIRST_EIP + i), havip: `h${i}` }));
  });
}

function havip(i: number): string {
  return formatIpv4(FIRST_HAVIP + i);
}

async function bindAll(lab: Lab, agent: AgentProcess, count: number): Promise<void> {
  const guest = lab.guest('cvm-1');
  const wire = guest.openWire();
  for (let at = 0; at < count; at += BURST) {
    const some = Array.from({ length: Math.min(BURST, count - at) }, (_, i) => havip(at + i));
    await until(
      'claims that were taken',
      async () => {
        wire.sendAll(some.map((senderAddress) => arp({ source: guest.spec.mac, senderAddress })));
        await sleep(BURST);
        return (await agent.metric('havip_bindings', { state: 'bound' })) >= at + some.length;
      },
      LIMIT_MS,
    );
  }
  wire.close();
}

async function eipsIn(lab: Lab): Promise<number> {
  const listed = await lab.host.exec(['nft', 'list', 'set', 'netdev', 'havip', 'eips'], { limitMs: LIMIT_MS });
  return listed.match(/\b198\.\d+\.\d+\.\d+/g)?.length ?? 0;
}

/** Each a HAVIP's first move, from the frame's send(2) until this process had the kernel's word of the transaction. */
async function move(lab: Lab, claims: number): Promise<number[]> {
  const guest = lab.guest('cvm-2');
  const wire = guest.openWire();
  const watch = new SwitchWatch(lab.host.path);
  const took: number[] = [];
  try {
    for (let i = 0; i < claims; i++) {
      await sleep(PAUSE_MS);
      const sentNs = systemClock.nowNs();
      wire.send(arp({ source: guest.spec.mac, senderAddress: havip(i) }));
      for (let isThere = false; !isThere;) {
        const change = watch.next(LIMIT_MS);
        if (change === null) throw new Error('eip: a claim was not taken');
        isThere = change.flows.get(havip(i)) === guest.spec.mac;
        if (isThere) took.push((change.seenNs - sentNs) / 1000);
      }
    }
  } finally {
    wire.close();
    watch.close();
  }
  return took;
}
