/** What every driver must do, in the words of the seam. Each driver's test file runs it against the real thing. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Network } from '../../src/base/network.ts';
import { entryId } from '../../src/vswitch/entries.ts';
import { type Change, ENTRY_KINDS, type Entry, type VSwitch, VSwitchError } from '../../src/vswitch/vswitch.ts';
import { HAVIP1, HAVIP_OPEN, MAC1, MAC2, seedNetwork } from '../network.ts';
import { entriesOf, holderEntry, boundTo } from './values.ts';

export const uplinked: Network = {
  ...seedNetwork,
  uplinks: [{ index: 0, interface: 'vx10', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true }],
};
const havip = must(seedNetwork.havips[HAVIP1], 'havip-1');
const openHavip = { ...must(seedNetwork.havips[HAVIP_OPEN], 'havip-3'), fence: false };
const first = boundTo('tap7', MAC1, 1, 1_700_000_000_000);
const second = boundTo('tap13', MAC2, 2, 1_700_000_000_999);

/** What names.ts makes of holders and of clusters, and the agent's life. */
const HELD_NAMES: readonly Entry[] = [
  { kind: 'alive', key: '-', value: '10' },
  { kind: 'place', key: 'vpc-1 00:00:5e:00:01:33', value: '1 tap7' },
  { kind: 'place', key: 'vpc-1 00:00:5e:00:01:34', value: '0 tap13 tap9' },
  { kind: 'vmember', key: 'tap13 00:00:5e:00:01:33', value: '-' },
  { kind: 'vmember', key: 'tap9 00:00:5e:00:01:34', value: '02:00:ac:11:10:09' },
  { kind: 'vrid', key: 'vpc-1 51', value: '172.17.16.3' },
  { kind: 'vrid', key: 'vpc-1 52', value: 'config' },
  { kind: 'vrider', key: 'tap7 51', value: '-' },
  { kind: 'external', key: 'ext0', value: '1 02:00:cb:00:71:02 02:00:cb:00:71:01 10.0.0.0/8,172.16.0.0/12' },
  { kind: 'eip', key: '203.0.113.10', value: '172.17.16.3 tap7 02:00:ac:11:10:07 1 02:00:ac:11:10:01' },
  { kind: 'eip', key: '203.0.113.11', value: '172.17.16.3 tap97 00:00:5e:00:01:33 1 02:00:ac:11:10:01' },
];

const create = (entries: readonly Entry[]): Change[] => entries.map((after) => ({ before: null, after }));
const texts = (entries: readonly Entry[]) => entries.map((item) => `${entryId(item)} = ${item.value}`).sort();

/** @param open a switch that has nothing yet; the suite closes it */
export function itConforms(open: () => VSwitch): void {
  const scene = (says: string, act: (vswitch: VSwitch) => Promise<void>) => {
    it(says, async () => {
      const vswitch = open();
      try {
        await act(vswitch);
      } finally {
        await vswitch.cleanup();
        vswitch.close();
      }
    });
  };
  const all = [...entriesOf(uplinked, 'enforce'), ...HELD_NAMES];

  describe('every driver', () => {
    scene('lists nothing before anything was committed', async (vswitch) => expect(await vswitch.list()).toEqual([]));

    scene('lists exactly what was committed', async (vswitch) => {
      const entries = [...all, holderEntry(uplinked, havip, first), holderEntry(uplinked, openHavip, second)];
      await vswitch.commit(create(entries));
      expect(texts(await vswitch.list())).toEqual(texts(entries));
    });

    scene('replaces a holder, keeping nothing of the old one', async (vswitch) => {
      const [before, after] = [holderEntry(uplinked, havip, first), holderEntry(uplinked, havip, second)];
      await vswitch.commit(create([...all, before]));
      await vswitch.commit([{ before, after }]);
      expect(texts(await vswitch.list())).toEqual(texts([...all, after]));
    });

    scene('changes the mode, a port and a fence in one transaction', async (vswitch) => {
      const fenced = holderEntry(uplinked, havip, first);
      const open = holderEntry(uplinked, { ...havip, fence: false }, first);
      await vswitch.commit(create([...all, fenced]));
      const guard = must(
        all.find(({ kind }) => kind === 'guard'),
        'guard',
      );
      const port = must(
        all.find(({ kind, key }) => kind === 'port' && key === 'tap7'),
        'tap7',
      );
      const moved = { ...port, value: port.value.replace('172.17.16.0/24', '172.17.32.0/24') };
      await vswitch.commit([
        { before: guard, after: { ...guard, value: 'audit' } },
        { before: fenced, after: open },
        { before: port, after: moved },
      ]);
      const expected = all.map((item) => (item === guard ? { ...guard, value: 'audit' } : item === port ? moved : item));
      expect(texts(await vswitch.list())).toEqual(texts([...expected, open]));
    });

    scene('does all of a transaction or nothing', async (vswitch) => {
      await vswitch.commit(create(all));
      const before = holderEntry(uplinked, havip, first);
      const other = holderEntry(uplinked, openHavip, second);
      const never = [
        { before: null, after: other },
        { before, after: null },
      ];
      await expect((async () => vswitch.commit(never))()).rejects.toThrow(VSwitchError);
      expect(texts(await vswitch.list())).toEqual(texts(all));
    });

    scene('removes everything in the reverse order', async (vswitch) => {
      const entries = [...all, holderEntry(uplinked, havip, first)].sort(byKind);
      await vswitch.commit(create(entries));
      const gone = entries.filter(({ kind }) => kind !== 'guard').toReversed();
      await vswitch.commit(gone.map((before) => ({ before, after: null })));
      expect((await vswitch.list()).map(({ kind }) => kind)).toEqual(['guard']);
    });

    scene('cleans up, also when there is nothing', async (vswitch) => {
      await vswitch.cleanup();
      await vswitch.commit(create(all));
      await vswitch.cleanup();
      expect(await vswitch.list()).toEqual([]);
    });

    scene('its own transactions are no change by somebody else', async (vswitch) => {
      await vswitch.commit(create(all));
      await vswitch.commit(create([holderEntry(uplinked, havip, first)]));
      expect(vswitch.changed()).toBe(false);
      expect(vswitch.guardDropped()).toBe(0);
    });
  });
}

function byKind(a: Entry, b: Entry): number {
  return ENTRY_KINDS.indexOf(a.kind) - ENTRY_KINDS.indexOf(b.kind);
}
