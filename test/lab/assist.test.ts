/**
 * A crash with link loss, assisted, with whatever backups there are: FRR's vrrpd, virtual MACs, a sync group of twenty. Who takes over is
 * told by its cause, once; how fast is the benches' matter (bench/failover.ts). Needs root.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Frr } from '../../native-fixtures/lab/frr.ts';
import type { KeepalivedOptions } from '../../native-fixtures/lab/keepalived.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import type { AgentConfig } from '../../native-fixtures/lab/topology.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('assisted crashes in the lab: skipped, they need root to make network namespaces');

const PATH = '/api/v1/havips/havip-1';
const LIMIT_MS = 30_000;
/** Longer than the contest rule makes anybody wait who would move it again. */
const SETTLED_MS = 3000;
const GROUP = Array.from({ length: 20 }, (_, i) => `172.17.16.${200 + i}`);

const assisted = ({ vpcs: [vpc] }: AgentConfig) => void Object.assign(vpc!.havips[0]!, { assist: 'resign' });

const readyWith = (agent: AgentProcess, instance: string) =>
  agent.waitForApi<HavipView>(
    PATH,
    `${instance} as holder who can be spoken for`,
    ({ holder, assist }) => holder?.instance === instance && assist === 'ready',
    LIMIT_MS,
  );

/** The holder's machine is gone at once, as when its process is killed. */
async function crash(lab: Lab, keepalived: { crash(): Promise<void> }): Promise<void> {
  await Promise.all([keepalived.crash(), lab.guest('cvm-1').linkDown()]);
}

const ofGroup = (havips: readonly HavipView[]) => havips.filter(({ id }) => id.startsWith('group-'));
const movedOnce = { failovers: 1, lastFailover: { from: 'cvm-1', to: 'cvm-2', cause: 'link-down' } };
const isMoved = ({ holder, lastFailover }: HavipView) => holder?.instance === 'cvm-2' && lastFailover !== null;

describe.runIf(root)('after an assisted crash', () => {
  test.for<readonly [string, KeepalivedOptions]>([
    ['unicast', { version: 3 }],
    ['multicast', { version: 3, multicast: true }],
    ['a virtual MAC', { version: 3, multicast: true, virtualMac: true }],
    ['version 2, a virtual MAC', { version: 2, multicast: true, virtualMac: true }],
    ['one that may preempt', { version: 3, preempt: true }],
  ])('the backup takes over, once: %s', { timeout: 90_000 }, async ([, options]) => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent({ config: lab.config(assisted) });
    const holder = await lab.guest('cvm-1').keepalived({ priority: 100, ...options });
    await holder.enters('MASTER', LIMIT_MS);
    const backup = await lab.guest('cvm-2').keepalived(options);
    await readyWith(agent, 'cvm-1');
    await crash(lab, holder);
    await backup.enters('MASTER', LIMIT_MS);
    await agent.waitForApi<HavipView>(PATH, 'the new holder', isMoved, LIMIT_MS);
    await sleep(SETTLED_MS);
    expect(await agent.api(PATH)).toMatchObject({ holder: { instance: 'cvm-2' }, ...movedOnce });
    const kind = options.version === 3 ? 'hastened' : 'plain';
    expect(await agent.metric('havip_assisted_resigns_total', { on: 'link-down', kind })).toBe(1);
    expect(await agent.metric('havip_assisted_resigns_total')).toBe(1);
  });

  test('FRR’s vrrpd takes over, once', { timeout: 90_000 }, async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent({ config: lab.config(assisted) });
    const holder = await lab.guest('cvm-1').keepalived({ version: 3, multicast: true, priority: 200 });
    await holder.enters('MASTER', LIMIT_MS);
    const frr = await Frr.start(lab.guest('cvm-2'), lab.directory, 3, ['priority 80', 'advertisement-interval 1000']);
    await frr.becomesBackup(LIMIT_MS);
    await readyWith(agent, 'cvm-1');
    await crash(lab, holder);
    await frr.becomesMaster(LIMIT_MS);
    await agent.waitForApi<HavipView>(PATH, 'the new holder', isMoved, LIMIT_MS);
    await sleep(SETTLED_MS);
    expect(await agent.api(PATH)).toMatchObject({ holder: { instance: 'cvm-2' }, ...movedOnce });
    expect(await agent.metric('havip_assisted_resigns_total', { kind: 'hastened' })).toBe(1);
    await frr.stop();
  });

  test('a sync group of twenty goes over together, each once', { timeout: 120_000 }, async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const config = lab.config(({ vpcs: [vpc] }) => {
      const members = ['cvm-1', 'cvm-2'];
      vpc!.havips = GROUP.map((address, i) => ({
        id: `group-${i + 1}`,
        subnet: 'subnet-a',
        address,
        members,
        assist: 'resign',
      }));
    });
    const agent = await lab.startAgent({ config });
    const options = { version: 3, addresses: GROUP, synchronised: true } as const;
    const holder = await lab.guest('cvm-1').keepalived({ ...options, priority: 100 });
    await holder.enters('MASTER', LIMIT_MS);
    const backup = await lab.guest('cvm-2').keepalived(options);
    const all = (what: string, predicate: (view: HavipView) => boolean) =>
      agent.waitForApi<HavipView[]>('/api/v1/havips', what, (havips) => ofGroup(havips).every(predicate), LIMIT_MS);
    await all('all held', ({ holder: of, assist }) => of?.instance === 'cvm-1' && assist === 'ready');
    await crash(lab, holder);
    await backup.enters('MASTER', LIMIT_MS);
    await all('all moved', isMoved);
    await sleep(SETTLED_MS);
    const views = ofGroup(await agent.api('/api/v1/havips'));
    expect(views).toHaveLength(GROUP.length);
    for (const view of views) expect(view).toMatchObject({ holder: { instance: 'cvm-2' }, ...movedOnce });
    expect(await agent.metric('havip_assisted_resigns_total', { kind: 'hastened' })).toBe(GROUP.length);
  });
});
