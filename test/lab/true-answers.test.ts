/**
 * What the agent says of real guests that are set up wrongly, or oddly and rightly: real keepalived and ucarp, real kernels, the whole
 * agent. Needs root.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import type { Guest } from '../../native-fixtures/lab/guest.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('true answers in the lab: skipped, it needs root to make network namespaces');

const LIMIT_MS = 60_000;
/** Of arping. */
const HALF_A_PERIOD_MS = 500;
const PATH = '/api/v1/havips/havip-1';
const MEMBERS = ['cvm-1', 'cvm-2'];

const view = (agent: AgentProcess) => agent.api<HavipView>(PATH);
const when = (agent: AgentProcess, what: string, is: (seen: HavipView) => boolean) =>
  agent.waitForApi<HavipView>(PATH, what, is, LIMIT_MS);
const holds = (agent: AgentProcess, instance: string) =>
  when(agent, `${instance} as holder`, ({ holder }) => holder?.instance === instance);
async function finds(agent: AgentProcess, wanted: string): Promise<string> {
  const { findings } = await when(agent, wanted, (seen) => seen.findings.some(({ kind }) => kind === wanted));
  return findings.find(({ kind }) => kind === wanted)?.text ?? '';
}

/** The guest's eth0 with a second tap beside it, and a bridge in the place of a bond: the kernel of a test may have no bonding. */
async function bond(lab: Lab, { spec, space }: Guest): Promise<void> {
  const { tap, bridge, mac, address, gateway } = spec;
  await lab.host.ip(
    `link add ${tap}b address ${mac.replace(/^../, 'fe')} type veth peer name eth1 address ${mac} netns ${space.name}`,
    `link set ${tap}b master ${bridge} up`,
  );
  await space.ip(
    `link add bond0 address ${mac} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `addr del ${address}/24 dev eth0`,
    'link set eth0 master bond0',
    'link set eth1 master bond0',
    'link set eth1 up',
    'link set bond0 up',
    `addr add ${address}/24 dev bond0`,
    `route replace default via ${gateway}`,
  );
}

/** What active-backup does: one of them is used, and the addresses are announced by it. */
async function activate({ space, spec }: Guest, active: 'eth0' | 'eth1', havip: boolean): Promise<void> {
  const other = active === 'eth0' ? 'eth1' : 'eth0';
  // One whose link is down has no state.
  await space.exec(['bridge', 'link', 'set', 'dev', other, 'state', '0']).catch(() => '');
  await space.exec(['bridge', 'link', 'set', 'dev', active, 'state', '3']);
  for (const address of havip ? [spec.address, HAVIP] : [spec.address])
    await space.exec(['arping', '-U', '-c', '1', '-w', '1', '-I', 'bond0', '-s', address, address]).catch(() => '');
}

// Who polls uses the test's own expect: the common one belongs to whichever of the concurrent tests began last.
describe.runIf(root).concurrent('true answers', { timeout: 180_000 }, () => {
  test('two masters with different passwords are told, and that the passwords differ, and neither is shown', async ({
    expect,
  }) => {
    await using lab = await Lab.create({ guests: MEMBERS });
    const agent = await lab.startAgent();
    const options = { multicast: true, priority: 100 };
    const first = await lab.guest('cvm-1').keepalived({ ...options, password: '1111' });
    await first.enters('MASTER');
    const second = await lab.guest('cvm-2').keepalived({ ...options, password: '2222' });
    await second.enters('MASTER');
    const text = await finds(agent, 'two-masters');
    expect(text).toContain('password');
    expect(text).not.toMatch(/1111|2222/);
    await when(agent, 'contested', ({ contested }) => contested);
  });

  test('a master whose ARP is filtered is told, until it is heard', async ({ expect }) => {
    await using lab = await Lab.create({ guests: MEMBERS });
    const agent = await lab.startAgent();
    const filter =
      'table netdev quiet { chain out { type filter hook egress device eth0 priority 0; arp saddr ip 172.17.16.3 drop; }; }\n';
    const first = await lab.guest('cvm-1').keepalived({ priority: 100 });
    await holds(agent, 'cvm-1');
    await lab.guest('cvm-2').exec(['nft', '-f', '-'], { input: filter });
    const second = await lab.guest('cvm-2').keepalived({ priority: 80 });
    await first.stop();
    await second.enters('MASTER');
    expect(await finds(agent, 'master-not-announced')).toMatch(/cvm-2 on tap13 .*no ARP for 172\.17\.16\.3 was seen/);
    await lab.guest('cvm-2').exec(['nft', 'delete', 'table', 'netdev', 'quiet']);
    lab.guest('cvm-2').sendFrame(arp({ source: lab.guest('cvm-2').spec.mac, senderAddress: HAVIP }));
    const { findings } = await holds(agent, 'cvm-2');
    expect(findings.map(({ kind }) => kind)).not.toContain('master-not-announced');
  });

  test('a holder that lost the address and goes on advertising is told, and keeps the binding', async ({ expect }) => {
    await using lab = await Lab.create({ guests: MEMBERS });
    const agent = await lab.startAgent();
    const guest = lab.guest('cvm-1');
    const keepalived = await guest.keepalived({ multicast: true, garpRefreshSeconds: 0 });
    await keepalived.enters('MASTER');
    await holds(agent, 'cvm-1');
    // As a network manager does that knows nothing of it; keepalived puts one back that it sees go.
    await guest.exec(['nft', '-f', '-'], {
      input: 'table arp mute { chain in { type filter hook input priority 0; arp daddr ip 172.17.16.3 drop; }; }\n',
    });
    expect(await finds(agent, 'holder-mute')).toContain('172.17.16.3');
    expect(await view(agent)).toMatchObject({ state: 'bound', holder: { instance: 'cvm-1' } });
    await guest.exec(['nft', 'delete', 'table', 'arp', 'mute']);
    await when(agent, 'an answer', ({ findings }) => !findings.some(({ kind }) => kind === 'holder-mute'));
  });

  test('a guest that answers with its own MAC beside the virtual one is one binding', async ({ expect }) => {
    await using lab = await Lab.create({ guests: [...MEMBERS, 'client'] });
    const agent = await lab.startAgent();
    const master = await lab.guest('cvm-1').keepalived({ priority: 100, virtualMac: true, multicast: true });
    await master.enters('MASTER');
    await holds(agent, 'cvm-1');
    const before = await view(agent);
    const pings = lab.client.ping(HAVIP);
    await lab.client.exec(['arping', '-c', '8', '-w', '10', '-I', 'eth0', HAVIP]).catch(() => '');
    await pings.stop();
    const after = await view(agent);
    expect(after.epoch - before.epoch).toBeLessThanOrEqual(1);
    expect(after).toMatchObject({ failovers: 0, holder: { instance: 'cvm-1' } });
  });

  test('two that announce by turns are contested, with one event, and settled when one of them stops', async ({ expect }) => {
    await using lab = await Lab.create({ guests: MEMBERS });
    const agent = await lab.startAgent();
    for (const instance of MEMBERS) await lab.guest(instance).space.ip(`addr add ${HAVIP}/32 dev eth0`);
    const announce = (instance: string) => lab.guest(instance).spawn(['arping', '-U', '-I', 'eth0', '-s', HAVIP, HAVIP]);
    const first = announce('cvm-1');
    await holds(agent, 'cvm-1');
    await sleep(HALF_A_PERIOD_MS);
    announce('cvm-2');
    expect(await finds(agent, 'two-announcers')).toMatch(
      /still announces 172\.17\.16\.3, each 1 s, though cvm-\d holds it: both have the address/,
    );
    await first.stop();
    await when(agent, 'settled', ({ contested }) => !contested);
    const events = (await agent.events()).filter(({ kind }) => kind === 'contested');
    expect(events).toHaveLength(1);
  });

  test('ucarp elects one master behind the guard, and its backup takes over', async ({ expect }) => {
    await using lab = await Lab.create({ guests: MEMBERS });
    const agent = await lab.startAgent();
    const ucarp = (instance: string, skew: number) => {
      const guest = lab.guest(instance);
      const flags = ['--interface=eth0', `--srcip=${guest.spec.address}`, '--vhid=51', '--pass=1111', `--addr=${HAVIP}`];
      return guest.spawn(['ucarp', ...flags, `--advskew=${skew}`, '--upscript=/bin/true', '--downscript=/bin/true']);
    };
    const first = ucarp('cvm-1', 0);
    await first.line(/MASTER/, LIMIT_MS);
    await holds(agent, 'cvm-1');
    const second = ucarp('cvm-2', 100);
    await second.line(/BACKUP|Local advertised ethernet address/, LIMIT_MS);
    await agent.waitForApi<{ interface: string; verdicts: Record<string, number> }[]>(
      '/api/v1/ports',
      'adverts of CARP',
      (ports) => (ports.find((port) => port.interface === 'tap7')?.verdicts['carp-advert'] ?? 0) > 5,
      LIMIT_MS,
    );
    expect([...second.stdout, ...second.stderr].filter((line) => /Switching to state: MASTER/.test(line))).toEqual([]);
    await first.stop('SIGKILL');
    await second.line(/Switching to state: MASTER/, LIMIT_MS);
    await holds(agent, 'cvm-2');
    expect(await agent.metric('havip_verdicts_total', { verdict: 'drop' })).toBe(0);
  });

  test('a bonded guest is bound where it spoke last, goes over with the link, and that is no failover', async ({ expect }) => {
    await using lab = await Lab.create({ guests: [...MEMBERS, 'client'] });
    const guest = lab.guest('cvm-1');
    await bond(lab, guest);
    const config = lab.config((all) => {
      const own = all.ports.find(({ instance }) => instance === 'cvm-1');
      if (own !== undefined) all.ports.push({ ...own, interface: `${own.interface}b` });
    });
    const agent = await lab.startAgent({ config });
    await activate(guest, 'eth0', false);
    await guest.space.ip(`addr add ${HAVIP}/32 dev bond0`);
    await activate(guest, 'eth0', true);
    const on = (tap: string) =>
      when(agent, `cvm-1 on ${tap}`, ({ holder }) => holder?.instance === 'cvm-1' && holder.interface === tap);
    const { since } = await on('tap7');
    await activate(guest, 'eth1', true);
    await on('tap7b');
    await lab.client.exec(['ping', '-c', '1', '-w', '20', HAVIP]);
    await activate(guest, 'eth0', true);
    await on('tap7');
    await guest.space.ip('link set eth0 down');
    await on('tap7b');
    await activate(guest, 'eth1', true);
    await lab.client.exec(['ping', '-c', '1', '-w', '20', HAVIP]);
    expect(await on('tap7b')).toMatchObject({ since, failovers: 0, lastFailover: null });
    expect(await agent.metric('havip_migrations_total')).toBe(0);
    expect(await agent.metric('havip_verdicts_total', { verdict: 'drop' })).toBe(0);
  });
});
