/**
 * `npm run demo -- hosts`: three hosts, keepalived on two, a client on the third whose ARP cache is pinned. Each move is told as each host's
 * kernel had it, and as the client saw it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../lab/command.ts';
import { Hosts } from '../lab/hosts.ts';
import { HAVIP } from '../lab/topology.ts';
import { HostsStage, LIMIT_MS, type ObservedMove, PING_MS } from './hosts-stage.ts';
import type { Timeline } from './timeline.ts';

const SPLIT_ADVERTS_MS = 3000;
const DEAF = 'add table netdev deaf; add chain netdev deaf in { type filter hook ingress device eth0 priority 0; };';

/** Everything in turn. */
export async function runHostsDemo(timeline: Timeline, observed: Record<string, unknown>): Promise<void> {
  const moves: ObservedMove[] = [];
  Object.assign(observed, { hosts: 3, moves });
  timeline.title(`Three hosts over VXLAN, etcd, and the address ${HAVIP} that cvm-1 on host-a or cvm-2 on host-b may hold`);
  const guests = { 'host-a': ['cvm-1'], 'host-b': ['cvm-2'], 'host-c': ['client'] };
  await using hosts = await Hosts.create({ guests, uplink: 'vxlan', store: {} });
  const agents = await hosts.startAgents(({ vpcs: [vpc] }) => Object.assign(vpc?.havips[0] ?? {}, { assist: 'resign' }));
  const stage = new HostsStage(hosts, agents, timeline);
  try {
    await all(stage);
  } finally {
    moves.push(...stage.moves);
    stage.close();
  }
  await Promise.all(stage.agents.map((agent) => agent.stop()));
}

async function all(stage: HostsStage): Promise<void> {
  await stage.synced();
  stage.timeline.event('agents', 'three, in touch with etcd');
  await stage.start(0);
  await stage.holds(0);
  await stage.start(1);
  stage.timeline.event('guests', 'keepalived runs in cvm-1 and cvm-2, the reference configuration; cvm-1 holds it', 'good');
  const ping = await stage.client(stage.macOf(0));
  stage.timeline.event('client', `on host-c, its ARP cache pinned to cvm-1, pings every ${PING_MS} ms`);

  await stage.move('planned', 'keepalived on cvm-1 is stopped', ping, 1, () => stage.stop(0));
  await stage.start(0);
  await stage.readyToResign(1);
  await stage.move(
    'crash',
    'cvm-2 loses its link, then its keepalived: host-b resigns for it out of its uplink',
    ping,
    0,
    async () => {
      await stage.guest(1).linkDown();
      await stage.keepalived[1]?.crash();
    },
  );
  // It may have taken the address off before it died.
  await stage.guest(1).space.ip(`addr replace ${HAVIP}/32 dev eth0`);
  await stage.guest(1).forget(HAVIP);
  await stage.guest(1).linkUp();
  await ping.stop();
  await splitBrain(stage);

  const again = await stage.client(stage.macOf(0));
  await stage.hosts.store.kill(0);
  for (const agent of stage.agents) await stage.connected(agent, 0);
  stage.timeline.event('etcd', 'is killed: the hosts are on their own', 'bad');
  await stage.move('no store', 'keepalived on cvm-1 is stopped meanwhile', again, 1, () => stage.stop(0));
  stage.hosts.store.run(0);
  await stage.hosts.store.healthy();
  await stage.synced();
  await stage.holds(1);
  stage.timeline.event('etcd', 'is back, and has what was decided without it', 'good');

  await stage.start(0);
  await stage.move('no agent', 'keepalived on cvm-2 is stopped, and the agent of host-c killed with it', again, 0, async () => {
    await Promise.all([stage.stop(1), stage.agents[2]!.stop('SIGKILL')]);
    stage.agents[2] = await stage.hosts.startAgent('host-c');
  });
  await again.stop();
}

/** Both are masters that do not hear each other, and send from one virtual MAC. */
async function splitBrain(stage: HostsStage): Promise<void> {
  await stage.stop(0);
  const options = { multicast: true, virtualMac: true } as const;
  await stage.start(0, options);
  await stage.holds(0, 'virtual');
  await stage.start(1, options);
  const ping = await stage.client('00:00:5e:00:01:33');
  stage.timeline.event('guests', 'keepalived in both starts anew with use_vmac: cvm-1 holds it under 00:00:5e:00:01:33');
  await stage.move('split', 'they hear each other no more: cvm-2 becomes master as well, and is elected', ping, 1, async () => {
    for (const at of [0, 1])
      await stage.guest(at).exec(['nft', '-f', '-'], { input: `${DEAF} add rule netdev deaf in ip protocol 112 drop\n` });
  });
  const before = ping.outages().length;
  await sleep(SPLIT_ADVERTS_MS);
  await ping.reply(LIMIT_MS);
  const lost = ping.outages().slice(before);
  if (lost.length > 0)
    throw new LabError(`adverts of the fenced master took the client away from the holder: ${JSON.stringify(lost)}`);
  await stage.holds(1, 'virtual');
  stage.timeline.event(
    'split',
    `cvm-1 goes on advertising from that MAC for ${SPLIT_ADVERTS_MS / 1000} s: no ping is lost`,
    'good',
  );
  await ping.stop();
  for (const at of [0, 1]) {
    await stage.stop(at);
    await stage.guest(at).exec(['nft', 'delete', 'table', 'netdev', 'deaf']);
  }
  await stage.start(0);
  await stage.holds(0, 'own');
  await stage.start(1);
  stage.timeline.event('guests', 'both are healed and have MACs of their own again');
}
