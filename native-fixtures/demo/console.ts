/**
 * `npm run demo -- console`: the lab for as long as one wants, with a failover every few seconds, and the page that shows it. With `--json` it
 * ends after two.
 */
import { setTimeout } from 'node:timers/promises';
import type { AgentProcess } from '../lab/agent.ts';
import { ConsoleProcess } from '../lab/console.ts';
import type { Keepalived } from '../lab/keepalived.ts';
import { Lab } from '../lab/lab.ts';
import { HAVIP } from '../lab/topology.ts';
import type { AgentConfig } from '../lab/topology.ts';
import type { Timeline } from './timeline.ts';

/** Sooner, and the agent takes them for a contest of two. */
const FEW_SECONDS = 9;
const JSON_FAILOVERS = 2;
/** Allocated, and nobody's yet: a list to search in. */
const MANY = 2_000;
const MEMBERS = ['cvm-1', 'cvm-2'];

interface Bound {
  readonly holder: { readonly instance: string } | null;
}

/** Adds so many HAVIPs, in a subnet of their own. */
export function withMany(config: AgentConfig, many: number): void {
  const vpc = config.vpcs[0];
  if (vpc !== undefined) vpc.quota = many + 100;
  vpc?.subnets.push({ id: 'subnet-t', cidr: '172.17.64.0/18' });
  for (let i = 0; i < many; i++) {
    const address = `172.17.${64 + Math.floor(i / 250)}.${(i % 250) + 2}`;
    vpc?.havips.push({ id: `tenant-${String(i).padStart(5, '0')}`, subnet: 'subnet-t', address });
  }
}

export async function showConsole(timeline: Timeline, observed: Record<string, unknown>, isBounded: boolean): Promise<void> {
  await using lab = await Lab.create();
  const agent = await lab.startAgent({ config: lab.config((config) => withMany(config, MANY)) });
  const page = await ConsoleProcess.start({ agents: [lab.socket], unprivileged: true });
  timeline.title(`The page: ${page.url}`);
  timeline.event('console', 'a process of its own, as nobody; Ctrl-C ends all');
  const holders = new Map<string, Keepalived>();
  for (const name of MEMBERS) holders.set(name, await lab.guest(name).keepalived());
  let failovers = 0;
  observed['console'] = { address: page.url, failovers };
  for (const most = isBounded ? JSON_FAILOVERS : Infinity; failovers < most;) {
    await failOver(lab, agent, holders, failovers, timeline);
    observed['console'] = { address: page.url, failovers: ++failovers };
    await steal(lab);
    await setTimeout((isBounded ? 2 : FEW_SECONDS) * 1000);
  }
  await page.stop();
}

/** Whoever holds it stops, by turns cleanly and with its link, and comes back as backup. */
async function failOver(
  lab: Lab,
  agent: AgentProcess,
  holders: Map<string, Keepalived>,
  round: number,
  timeline: Timeline,
): Promise<void> {
  const held = ({ holder }: Bound) => holder !== null && MEMBERS.includes(holder.instance);
  const { holder } = await agent.waitForApi<Bound>('/api/v1/havips/havip-1', 'holder', held);
  const from = holder?.instance ?? '';
  const isClean = round % 2 === 0;
  timeline.event(
    isClean ? 'stop' : 'crash',
    `${from} ${isClean ? 'stops keepalived cleanly' : 'loses its link'}`,
    isClean ? 'plain' : 'bad',
  );
  if (isClean) await holders.get(from)?.stop();
  else {
    await holders.get(from)?.crash();
    await lab.guest(from).linkDown();
  }
  const moved = (now: Bound) => held(now) && now.holder?.instance !== from;
  const now = await agent.waitForApi<Bound>('/api/v1/havips/havip-1', 'holder', moved);
  timeline.event('failover', `${HAVIP} is held by ${now.holder?.instance}`, 'good');
  if (!isClean) {
    await lab.guest(from).forget(HAVIP);
    await lab.guest(from).linkUp();
  }
  holders.set(from, await lab.guest(from).keepalived());
}

/** A neighbour claims what is not its own, for the page to count. */
async function steal(lab: Lab): Promise<void> {
  await lab.guest('cvm-3').exec(['arping', '-q', '-c', '2', '-w', '1', '-A', '-I', 'eth0', '-s', '172.17.16.9', '172.17.16.9']);
  await lab
    .guest('cvm-3')
    .exec([
      'bash',
      '-c',
      `ip addr add ${HAVIP}/32 dev eth0; arping -q -c 1 -w 1 -A -I eth0 ${HAVIP}; ip addr del ${HAVIP}/32 dev eth0`,
    ]);
}
