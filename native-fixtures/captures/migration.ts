/**
 * Records live migrations of real guests, on the new host's tap:
 *
 *     node dist/native-fixtures/captures/migration.js [FILE...]
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '../../src/base/assert.ts';
import { command } from '../lab/command.ts';
import { Hosts } from '../lab/hosts.ts';
import { projectRoot } from '../lab/project.ts';
import { GUESTS } from '../lab/topology.ts';
import { bootedGuest, guestImage } from '../qemu/image.ts';
import type { Card } from '../qemu/devices.ts';
import { Machine } from '../qemu/machine.ts';
import type { Expected } from './capture.ts';
import { enterCapture } from './catalogue.ts';
import { countFrames, record } from './recorder.ts';

interface Migration {
  readonly file: string;
  readonly card: Card;
  readonly model: string;
  readonly shows: string;
  readonly expected: Expected;
  /** Of a master; without, it has but its own address. */
  readonly keepalived: boolean;
}

const QUIET_MS = 2_000;
const NOTHING = { failovers: { count: 0, cause: null }, drops: [] };

const migrations: readonly Migration[] = [
  {
    file: 'qemu-7.2-live-migration-virtio.pcap',
    card: 'virtio_net',
    model: 'virtio-net-pci',
    shows:
      'the new host’s side of a live migration: QEMU’s RARP while the old tap goes, the guest’s own announcements (GUEST_ANNOUNCE), and keepalived that goes on as master',
    expected: { ...NOTHING, holders: ['cvm-1'] },
    keepalived: true,
  },
  {
    file: 'qemu-7.2-live-migration-e1000.pcap',
    card: 'e1000',
    model: 'e1000',
    shows:
      'the new host’s side of a live migration of a guest that does not announce itself: QEMU’s RARP and no more, no claim of any address',
    expected: { ...NOTHING, holders: [] },
    keepalived: false,
  },
];

const wanted = new Set(process.argv.slice(2));
for (const migration of migrations) if (wanted.size === 0 || wanted.has(migration.file)) await recordMigration(migration);

async function recordMigration({ file, card, model, shows, expected, keepalived }: Migration): Promise<void> {
  const spec = must(
    GUESTS.find(({ instance }) => instance === 'cvm-1'),
    'cvm-1',
  );
  const image = await guestImage();
  const { state } = await bootedGuest(image, spec);
  await using hosts = await Hosts.create({ guests: { 'host-a': ['client'], 'host-b': ['cvm-2'] } });
  const { directory } = hosts;
  const [from, to] = [hosts.host('host-a').space, hosts.host('host-b').space];
  const machine = await Machine.start({ image, space: from, directory, spec, card, from: state });
  await machine.plug();
  if (keepalived) {
    await machine.startKeepalived();
    await machine.enters('MASTER');
  }
  const target = await Machine.start({ image, space: to, directory, spec, card, from: 'migration' });
  const path = join(projectRoot(), 'native-fixtures/captures', file);
  await record({ host: to, directory }, [spec.tap], path, async () => {
    await machine.migrateTo(target);
    await sleep(QUIET_MS);
  });
  await target.kill();
  const frames = await countFrames(path);
  const [qemu = ''] = (await command(['qemu-system-x86_64', '--version'])).split('\n');
  enterCapture(join(projectRoot(), 'native-fixtures/captures/captures.json'), {
    file,
    shows,
    origin: 'recorded',
    sender: `${qemu}, ${model}, Debian's Linux 6.1${keepalived ? ', keepalived 2.2.7' : ''}`,
    command: `node dist/native-fixtures/captures/migration.js ${file}`,
    recordedAt: new Date().toISOString(),
    interfaces: [spec.tap],
    frames,
    expected,
  });
  console.log(`${file}: ${frames.total} frames`);
}
