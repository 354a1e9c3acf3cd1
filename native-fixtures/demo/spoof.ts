/** The neighbour from hell: cvm-3 claims what is not its own, and what the agent and another guest make of it. */
import { VERDICTS } from '../../src/base/verdict.ts';
import type { AgentProcess } from '../lab/agent.ts';
import { LabError } from '../lab/command.ts';
import type { Guest } from '../lab/guest.ts';
import type { Lab } from '../lab/lab.ts';
import { HAVIP } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import type { Timeline } from './timeline.ts';

interface Attempt {
  readonly address: string;
  readonly whose: string;
  readonly reason: string;
}

const TIMES = 3;
const ATTEMPTS: readonly Attempt[] = [
  { address: '172.17.32.3', whose: 'havip-2, of another subnet', reason: 'foreign-subnet' },
  { address: '172.17.16.7', whose: 'cvm-1’s own address', reason: 'not-havip' },
  { address: HAVIP, whose: 'havip-1, of whose members it is none', reason: 'not-member' },
];

/** Each attempt must be counted under its reason, and the client's neighbour table must stay as it was. */
export async function showSpoofing(lab: Lab, agent: AgentProcess, timeline: Timeline): Promise<void> {
  const spoofer = lab.guest('cvm-3');
  await lab.client.exec(['ping', '-n', '-c1', '-W2', '172.17.16.7']); // the client knows cvm-1 now
  timeline.event('spoofing', 'cvm-3 announces addresses that are not its own, three times each', 'bad');
  for (const { address, whose, reason } of ATTEMPTS) {
    const drops = () => agent.metric('havip_verdicts_total', { verdict: 'drop', reason });
    const before = await drops();
    for (let i = 0; i < TIMES; i++) spoofer.sendFrame(gratuitousArp(spoofer.spec.mac, address));
    await until(`${TIMES} drops with reason ${reason}`, async () => (await drops()) >= before + TIMES);
    const means = VERDICTS.find(({ name }) => name === reason)?.means ?? '';
    timeline.detail(`${address.padEnd(13)}${whose.padEnd(38)}dropped: ${reason} (${means})`, 'plain');
  }
  await mustNotBelieve(lab.client, spoofer.spec.mac);
  timeline.detail('the client’s neighbour table is as it was', 'good');
}

async function mustNotBelieve(client: Guest, mac: string): Promise<void> {
  const table = await client.exec(['ip', 'neigh', 'show']);
  const poisoned = table.split('\n').find((line) => line.includes(mac));
  if (poisoned !== undefined) throw new LabError(`the client believes the spoofer: ${poisoned.trim()}`);
}

function gratuitousArp(mac: string, address: string): Buffer {
  const sender = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const claimed = Buffer.from(address.split('.').map(Number));
  const header = Buffer.from([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
  const broadcast = Buffer.alloc(6, 0xff);
  return Buffer.concat([broadcast, sender, header, sender, claimed, broadcast, claimed]);
}
