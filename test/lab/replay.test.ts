/**
 * What `replay` says of a capture is what the agent said live: real keepalived guests fail over, once killed and once stopped cleanly,
 * while dumpcap records both taps, both ways, and tcpdump "any". Needs root.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { agentCommand } from '../../native-fixtures/lab/agent.ts';
import { command } from '../../native-fixtures/lab/command.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import type { HavipView } from '../../src/ledger/view.ts';
import type { ReplayReport } from '../../src/replay/replay.ts';

const LIMIT_MS = 20_000;
const FILTER = 'arp or ip proto 112';
/** libpcap hands blocks over when they are full or a second old. */
const BUFFERED_MS = 1_500;
const WITHIN_MS = 5;

type Failover = NonNullable<HavipView['lastFailover']>;

async function failoverTo(agent: AgentProcess, instance: string): Promise<Failover> {
  const { lastFailover } = await agent.waitForApi<HavipView>(
    '/api/v1/havips/havip-1',
    `failover to ${instance}`,
    ({ holder, lastFailover: last }) => holder?.instance === instance && last?.to === instance,
    LIMIT_MS,
  );
  if (lastFailover === null) throw new Error('waited for one');
  return lastFailover;
}

test.skipIf(process.getuid?.() !== 0)('replay of dumpcap and of tcpdump -i any tells the live story (needs root)', async () => {
  await using lab = await Lab.create();
  const config = join(lab.directory, 'replayed.yaml');
  lab.writeFile('replayed.yaml', lab.config());
  const agent = await lab.startAgent();
  const files = { taps: join(lab.directory, 'taps.pcapng'), any: join(lab.directory, 'any.pcap') };
  const recorders = [
    lab.host.spawn(['dumpcap', '-q', '-i', 'tap7', '-i', 'tap13', '-f', FILTER, '-w', files.taps]),
    lab.host.spawn(['tcpdump', '-Z', 'root', '-i', 'any', '-U', '-w', files.any, FILTER]),
  ];
  await Promise.all(recorders.map((process) => process.line(/^File: |listening on/)));

  const first = await lab.guest('cvm-1').keepalived({ priority: 100 });
  await first.enters('MASTER');
  const second = await lab.guest('cvm-2').keepalived({ priority: 80 });
  await sleep(3000);
  await first.crash();
  const live = [await failoverTo(agent, 'cvm-2')];
  await lab.guest('cvm-1').keepalived({ priority: 60 });
  await sleep(3000);
  await second.stop();
  live.push(await failoverTo(agent, 'cvm-1'));
  await sleep(BUFFERED_MS);
  await Promise.all(recorders.map((process) => process.stop('SIGINT')));
  expect(live.map(({ from, to, cause }) => [from, to, cause])).toEqual([
    ['cvm-1', 'cvm-2', 'silence'],
    ['cvm-2', 'cvm-1', 'resign'],
  ]);

  for (const [name, file] of Object.entries(files)) {
    const report = JSON.parse(await command(agentCommand('replay', file, '--config', config, '--json'))) as ReplayReport;
    expect(report.problem, name).toBeNull();
    expect(report.havips, name).toMatchObject([{ id: 'havip-1', holder: { instance: 'cvm-1', interface: 'tap7' } }]);
    expect(report.failovers.map(({ from, to, cause }) => [from, to, cause])).toEqual(
      live.map(({ from, to, cause }) => [from, to, cause]),
    );
    for (const [i, { phasesMs }] of report.failovers.entries()) {
      const differs = Math.abs((phasesMs.detection ?? Infinity) - (live[i]!.phasesMs.detection ?? -Infinity));
      expect(differs, `${name}: detection ${phasesMs.detection} ms, live ${live[i]!.phasesMs.detection} ms`).toBeLessThan(
        WITHIN_MS,
      );
    }
    expect(report.verdicts['towards-guest'], name).toBeGreaterThan(0);
    // Honest guests: nothing that one of them sent is refused.
    expect(
      Object.keys(report.verdicts).filter((reason) => !HONEST.has(reason)),
      name,
    ).toEqual([]);
  }
});

const HONEST = new Set([
  'own-address',
  'probe',
  'havip-claim',
  'vrrp-advert',
  'vrrp-resign',
  'other-ip',
  'towards-guest',
  'unknown-port',
]);
