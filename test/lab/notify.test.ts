/** The whole agent tells a program of who holds a HAVIP, and decides on while that program takes its time. Needs root. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import type { HavipView } from '../../src/ledger/view.ts';

const LIMIT_MS = 60_000;

test.skipIf(process.getuid?.() !== 0)(
  'a program is told in order, unprivileged, and nothing waits for it (needs root)',
  { timeout: LIMIT_MS },
  async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const [told, go] = [join(lab.directory, 'told'), join(lab.directory, 'go')];
    const script = `#!/bin/sh
while [ ! -e ${go} ]; do sleep 0.05; done
cat >>${told}; echo >>${told}; grep CapEff /proc/self/status >>${told}; chrt -p $$ >>${told}
`;
    const program = lab.writeFile('program', script);
    await lab.host.exec(['chmod', '755', program]);
    const config = lab.config((each) => Object.assign(each, { notify: [{ exec: [program] }] }));
    const agent = await lab.startAgent({ config, realtime: true });
    const holds = (instance: string) =>
      agent.waitForApi<HavipView>('/api/v1/havips/havip-1', instance, ({ holder }) => holder?.instance === instance);
    const claim = (instance: string) => {
      const guest = lab.guest(instance);
      guest.sendFrame(arp({ source: guest.spec.mac, senderAddress: HAVIP }));
    };
    claim('cvm-1');
    await holds('cvm-1');
    await until('an event that waits', async () => (await agent.metric('havip_notifications_waiting')) >= 1);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // the hold time of who holds it
    claim('cvm-2');
    await holds('cvm-2');
    expect(existsSync(told)).toBe(false);
    writeFileSync(go, '');
    const lines = () => readFileSync(told, 'utf8').split('\n');
    await until('both events', () => existsSync(told) && lines().some((line) => line.includes('"havip.failover"')), 30_000);
    const events = lines()
      .filter((line) => line.startsWith('{'))
      .map((line) => (JSON.parse(line) as { data: { kind: string; to: string; epoch: number } }).data);
    expect(events[0]).toMatchObject({ kind: 'bound', to: 'cvm-1' });
    expect(events.find(({ kind }) => kind === 'failover')).toMatchObject({ to: 'cvm-2' });
    const epochs = events.map(({ epoch }) => epoch);
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    await until('the marks of the last', () => readFileSync(told, 'utf8').includes('SCHED_OTHER'));
    expect(readFileSync(told, 'utf8')).not.toMatch(/CapEff:\t0*[1-9a-f]|SCHED_RR/);
  },
);
