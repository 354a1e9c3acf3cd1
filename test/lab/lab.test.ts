/** The lab itself, on the real kernel: it needs root, and says so when it cannot run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { RUN } from '../../native-fixtures/lab/namespace.ts';
import { monotonicMs } from '../../native-fixtures/lab/ping.ts';
import { projectRoot } from '../../native-fixtures/lab/project.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('lab: skipped, it needs root to make network namespaces');

/** Namespaces of one lab, by its name. */
function namespacesOf(name: string): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter((each) => each.startsWith(`${name}.`)) : [];
}

describe.runIf(root)('lab', () => {
  test('two labs at once do not see each other, and leave nothing', async () => {
    const [one, two] = await Promise.all([Lab.create(), Lab.create()]);
    for (const lab of [one, two]) {
      const reached = await lab.client.exec(['ping', '-n', '-c1', '-W2', '172.17.16.7']);
      expect(reached).toContain('1 received');
    }
    await one.guest('cvm-1').unplug();
    expect(await two.client.exec(['ping', '-n', '-c1', '-W2', '172.17.16.7'])).toContain('1 received');
    await expect(one.client.exec(['ping', '-n', '-c1', '-W1', '172.17.16.7'])).rejects.toThrow();
    for (const lab of [one, two]) {
      lab.destroy();
      expect(namespacesOf(lab.name)).toEqual([]);
      expect(existsSync(lab.directory)).toBe(false);
    }
  });

  test('guests of two subnets of a VPC reach each other, guests of another VPC do not', async () => {
    await using lab = await Lab.create();
    expect(await lab.guest('cvm-4').exec(['ping', '-n', '-c1', '-W2', '172.17.16.9'])).toContain('1 received');
    await expect(lab.guest('cvm-9').exec(['ping', '-n', '-c1', '-W1', '172.17.16.9'])).rejects.toThrow();
  });

  test('a wire carries frames exactly as they were sent', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
    const wire = lab.guest('cvm-2').openWire();
    const frame = Buffer.from(`ffffffffffff0200ac11100788b5${'00112233'.repeat(12)}`, 'hex');
    lab.guest('cvm-1').sendFrame(frame);
    expect(await wire.expect((each) => each.equals(frame), 5_000)).not.toBeNull();
    wire.close();
  });

  test('keepalived elects, a crash moves the HAVIP, the client sees the outage, a pinned client does not follow', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'cvm-3', 'client'] });
    const first = await lab.guest('cvm-1').keepalived();
    await first.enters('MASTER');
    const second = await lab.guest('cvm-2').keepalived({ priority: 70 });
    expect(second.state).toBe('BACKUP');
    await lab.guest('cvm-3').pinNeighbour(HAVIP, lab.guest('cvm-1').spec.mac);
    const ping = lab.client.ping(HAVIP);
    await ping.reply();

    const crashedMs = monotonicMs();
    await first.crash();
    await lab.guest('cvm-1').linkDown();
    await second.enters('MASTER');
    const outage = await ping.outage(crashedMs);
    expect(outage.lost).toBeGreaterThan(100);
    expect(outage.durationMs).toBeGreaterThan(2_000); // three advert intervals less the age of the last advert
    await ping.stop();
    await expect(lab.guest('cvm-3').exec(['ping', '-n', '-c1', '-W1', HAVIP])).rejects.toThrow();

    await second.stop();
    const addresses = await lab.guest('cvm-2').exec(['ip', '-o', 'addr', 'show', 'eth0']);
    expect(addresses).not.toContain(`${HAVIP}/`);
  });

  test('a failed check of the guest’s service gives the HAVIP up', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1'] });
    const keepalived = await lab.guest('cvm-1').keepalived();
    await keepalived.enters('MASTER');
    keepalived.setHealthy(false);
    await keepalived.enters('FAULT');
    keepalived.setHealthy(true);
    await keepalived.enters('BACKUP');
  });

  test('an unplugged tap comes back under its name', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const index = () => lab.host.exec(['cat', '/sys/class/net/tap7/ifindex']);
    const before = await index();
    await lab.guest('cvm-1').unplug();
    await expect(index()).rejects.toThrow();
    await lab.guest('cvm-1').plug();
    expect(await index()).not.toBe(before);
    const ping = lab.client.ping('172.17.16.7');
    await ping.reply();
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'what a creator leaves that ends by %s is gone with the next lab',
    async (signal) => {
      const program = join(projectRoot(), 'dist/native-fixtures/lab/linger.js');
      const creator = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [name] = (await once(createInterface({ input: creator.stdout }), 'line')) as [string];
      expect(namespacesOf(name)).toHaveLength(2);
      creator.kill(signal);
      await once(creator, 'exit');
      if (signal === 'SIGTERM') expect(namespacesOf(name)).toEqual([]);
      const next = await Lab.create({ guests: ['client'] });
      expect(namespacesOf(name)).toEqual([]);
      expect(existsSync(join(RUN, name))).toBe(false);
      next.destroy();
    },
  );
});
