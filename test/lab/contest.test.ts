/**
 * Disputes, withdrawals and the lint of a tenant's set-up, with real frames, real keepalived and the whole agent. Needs root.
 */
import { describe, expect, test } from 'vitest';
import { claimUnderFlood, flap } from '../../bench/failover-contest.ts';
import { arp, vrrp, type VrrpFields } from '../../native-fixtures/frames.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('disputes in the lab: skipped, it needs root to make network namespaces');

const LIMIT_MS = 30_000;
const PATH = '/api/v1/havips/havip-1';

const view = (agent: AgentProcess) => agent.api<HavipView>(PATH);
const when = (agent: AgentProcess, what: string, is: (seen: HavipView) => boolean) =>
  agent.waitForApi<HavipView>(PATH, what, is, LIMIT_MS);
const holds = (agent: AgentProcess, instance: string) =>
  when(agent, `${instance} as holder`, ({ holder }) => holder?.instance === instance);
const says = (agent: AgentProcess, kind: string, text = '', havip = 'havip-1') =>
  agent.waitForEvent(
    `${kind} event: ${text}`,
    (event) => event['kind'] === kind && event['havip'] === havip && String(event['text']).includes(text),
    LIMIT_MS,
  );

function announce(lab: Lab, instance: string, address = HAVIP): void {
  lab.guest(instance).sendFrame(arp({ source: lab.guest(instance).spec.mac, senderAddress: address }));
}

// Who polls uses the test's own expect: the common one belongs to whichever of the concurrent tests began last.
describe.runIf(root).concurrent('disputes in the lab', () => {
  test('a flapping pair moves it once per hold, is called contested, and the one that goes on gets it', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent();
    const { movedAtMs, view: seen, survivor } = await flap(lab, agent, 8);
    expect(seen.contested).toBe(true);
    expect(seen.holder?.instance).toBe('cvm-1'); // the elected one
    expect(seen.sides.join()).toMatch(/cvm-1.*priority 100.*cvm-2.*priority 80/);
    expect(survivor).toBe('cvm-2');
    // At most one move per hold of a second or more; wall clock, in whole milliseconds.
    for (let i = 1; i < movedAtMs.length; i++) expect(movedAtMs[i]! - movedAtMs[i - 1]!).toBeGreaterThanOrEqual(999);
    expect(movedAtMs.length).toBeLessThanOrEqual(3);
  });

  test('a claim wins over a flood of the other’s refreshes, with one change of the switch', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent();
    const { changes } = await claimUnderFlood(lab, agent, 3);
    expect(changes).toEqual([1, 1, 1]);
  });

  test('a deferred claim is applied although its sender is silent after it; a holder whose tap is gone is unbound', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent();
    announce(lab, 'cvm-1');
    await holds(agent, 'cvm-1');
    // Over with that streak: only after 2 s of silence is its next claim an act of its own.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    announce(lab, 'cvm-2');
    await holds(agent, 'cvm-2');
    announce(lab, 'cvm-1');
    await says(agent, 'deferred', 'cvm-1 claims it back too soon');
    expect((await view(agent)).pending).toBe('cvm-1');
    const { failovers, lastFailover } = await holds(agent, 'cvm-1');
    expect(failovers).toBe(2);
    expect(lastFailover?.phasesMs.verdict).toBeGreaterThan(0); // the wait is part of the verdict

    await lab.guest('cvm-1').unplug();
    await says(agent, 'unbound', 'its port is gone');
    expect(await view(agent)).toMatchObject({ state: 'unbound', holder: null, failovers: 2 });
  });

  test('a real split brain is contested, with what each side says, and the elected master keeps it', async ({ expect }) => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent();
    const deafen = { input: 'table inet deaf { chain in { type filter hook input priority 0; ip protocol 112 drop; }; }\n' };
    for (const instance of ['cvm-1', 'cvm-2']) await lab.guest(instance).exec(['nft', '-f', '-'], deafen);
    await lab.guest('cvm-1').keepalived({ priority: 100 });
    await holds(agent, 'cvm-1');
    const second = await lab.guest('cvm-2').keepalived({ priority: 80 });
    await second.enters('MASTER');
    const contested = await when(agent, 'contested HAVIP', (seen) => seen.contested && seen.holder?.instance === 'cvm-1');
    expect(contested.sides).toHaveLength(2);
    expect(contested.sides[0]).toMatch(/cvm-1 on tap7, holds it, .*says it is master, priority 100, address 172\.17\.16\.7/);
    expect(contested.sides[1]).toMatch(/cvm-2 on tap13, .*says it is master, priority 80, address 172\.17\.16\.13/);
    expect(contested.findings.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['two-masters', 'one-host']));

    const deferred = () => agent.metric('havip_claims_total', { kind: 'deferred' });
    const before = await deferred();
    await expect.poll(deferred, { timeout: LIMIT_MS }).toBeGreaterThan(before); // cvm-2 announces again, in vain
    expect(await view(agent)).toMatchObject({ epoch: contested.epoch, holder: { instance: 'cvm-1' } });

    for (const instance of ['cvm-1', 'cvm-2']) await lab.guest(instance).exec(['nft', 'flush', 'ruleset']);
    await second.enters('BACKUP');
    await says(agent, 'settled');
    expect(await view(agent)).toMatchObject({ contested: false, holder: { instance: 'cvm-1' } });
  });

  test('a silent holder is asked: one that dropped the address is unbound, one that still has it is not', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-4'] });
    const verify = lab.config(({ vpcs }) => vpcs[0]!.havips.forEach((havip) => (havip['verify'] = true)));
    const agent = await lab.startAgent({ config: verify });
    // Multicast: unicast adverts to a peer that is not there never leave the guest.
    const dropper = await lab.guest('cvm-1').keepalived({ multicast: true });
    const keeper = await lab.guest('cvm-4').keepalived({ multicast: true, addresses: ['172.17.32.3'], vrid: 52 });
    await when(agent, 'master on cvm-1', ({ holder, evidence }) => holder?.instance === 'cvm-1' && evidence.length > 0);
    await says(agent, 'bound', 'cvm-4 holds it', 'havip-2');
    await Promise.all([dropper.crash(), keeper.crash()]);
    await lab.guest('cvm-1').forget(HAVIP);
    await says(agent, 'unbound', 'did not answer 3 questions');
    await says(agent, 'verify', 'cvm-4 answered', 'havip-2');
    expect(await view(agent)).toMatchObject({ state: 'unbound', holder: null });
    expect(await agent.api<HavipView>('/api/v1/havips/havip-2')).toMatchObject({ state: 'bound', holder: { instance: 'cvm-4' } });
  });

  test('mistakes in a tenant’s set-up are told, with what to change', async ({ expect }) => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-3', 'cvm-4'] });
    const agent = await lab.startAgent();
    const advertise = (instance: string, fields: Partial<VrrpFields>) => {
      const { mac, address } = lab.guest(instance).spec;
      lab.guest(instance).sendFrame(vrrp({ source: mac, ipSource: address, addresses: [HAVIP], ...fields }));
    };
    const found = async () => (await view(agent)).findings.map(({ kind }) => kind);
    const finds = (kind: string) => expect.poll(found, { timeout: LIMIT_MS }).toContain(kind);
    announce(lab, 'cvm-1');
    await finds('single-member');
    announce(lab, 'cvm-3');
    await finds('claim-refused');
    advertise('cvm-1', { ipSource: HAVIP });
    await finds('vrrp-from-havip');
    advertise('cvm-1', {});
    advertise('cvm-4', { addresses: ['172.17.32.3'] });
    // The VRID is the first cluster's: another one's advert under it, by multicast, is heard by nobody.
    await finds('foreign-vrrp');
    const { findings } = await view(agent);
    expect(findings.find(({ kind }) => kind === 'claim-refused')?.text).toMatch(/cvm-3 is refused \(not-member\)/);
    expect(findings.find(({ kind }) => kind === 'foreign-vrrp')?.text).toMatch(/cvm-4/);
    // The metric is of the last count, a quarter of a second ago at most.
    await expect.poll(() => agent.metric('havip_findings', { kind: 'foreign-vrrp' }), { timeout: LIMIT_MS }).toBeGreaterThan(0);
  });

  test('members that advertise at different intervals are told', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const agent = await lab.startAgent();
    const first = await lab.guest('cvm-1').keepalived({ version: 3, advertMs: 1000, priority: 100 });
    await holds(agent, 'cvm-1');
    await lab.guest('cvm-2').keepalived({ version: 3, advertMs: 500, priority: 80 });
    await first.stop();
    await holds(agent, 'cvm-2');
    const seen = await when(agent, 'interval-mismatch', ({ findings }) =>
      findings.some(({ kind }) => kind === 'interval-mismatch'),
    );
    expect(seen.findings.find(({ kind }) => kind === 'interval-mismatch')?.text).toMatch(/cvm-1 .*1000 ms.*cvm-2 .*500 ms/);
  });
});
