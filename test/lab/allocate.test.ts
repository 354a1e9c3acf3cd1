/** A HAVIP that is allocated, claimed, unbound and released, against the real daemon and kernel. Needs root. Large: `npm run bench -- allocate`. */
import { describe, expect, it } from 'vitest';
import { allocate } from '../../bench/allocate.ts';
import { arp } from '../../native-fixtures/frames.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import type { HavipView } from '../../src/api/types.ts';
import { Client } from '../../src/cli/client.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('allocation: skipped, it needs root to make network namespaces');

describe.runIf(root)('a HAVIP that is allocated', () => {
  it('is bound by the one announcement that follows the answer', async () => {
    const { usableMs, lost } = await allocate(30, { files: 20, configured: 0 });
    expect([usableMs.length, lost]).toEqual([30, 0]);
  });

  it('leaves the switch when it is unbound, comes back with an announcement, and goes when it is released', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    await lab.startAgent();
    const client = new Client(`unix:${lab.socket}`);
    const { address } = await client.write<{ address: string }>('POST', '/api/v1/havips', { subnet: 'subnet-a', id: 'web' });
    const guest = lab.guest('cvm-1');
    const wire = guest.openWire();
    const holder = async () => (await client.json<HavipView>('/api/v1/havips/web')).holder?.instance ?? null;
    const inSwitch = async () => (await lab.host.exec(['nft', 'list', 'ruleset'])).includes(`${address} `);
    const announce = () => wire.send(arp({ source: guest.spec.mac, senderAddress: address }));
    announce();
    await until('holder', async () => (await holder()) === 'cvm-1');
    expect(await inSwitch()).toBe(true);
    const pointed = async () =>
      (await lab.host.exec(['nft', 'list', 'ruleset'])).split('\n').filter((line) => line.includes(address)).length;
    const before = await pointed();
    expect(await client.write('POST', '/api/v1/havips/web/unbind', undefined)).toEqual({ id: 'web', unbound: 'cvm-1' });
    expect(await holder()).toBeNull();
    expect(await pointed()).toBeLessThan(before);
    announce();
    await until('holder again', async () => (await holder()) === 'cvm-1');
    await client.write('DELETE', '/api/v1/havips/web', undefined);
    expect(await inSwitch()).toBe(false);
    wire.close();
  });
});
