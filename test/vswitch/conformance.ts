/** What every driver must do, in the words of the seam. Each driver's test file runs it against the real thing. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Network } from '../../src/base/network.ts';
import { entryId, type Holding } from '../../src/vswitch/entries.ts';
import { type Change, type Entry, type VSwitch, VSwitchError } from '../../src/vswitch/vswitch.ts';
import { HAVIP1, HAVIP_OPEN, MAC1, MAC2, seedNetwork } from '../network.ts';
import { entriesOf, holderEntry, macOf } from './values.ts';

export const uplinked: Network = { ...seedNetwork, uplinks: [{ interface: 'vx10', vpc: 0 }] };
const havip = must(seedNetwork.havips[HAVIP1], 'havip-1');
const openHavip = { ...must(seedNetwork.havips[HAVIP_OPEN], 'havip-3'), fence: false };
const first: Holding = { interface: 'tap7', mac: macOf(MAC1), epoch: 1, sinceMs: 1_700_000_000_000 };
const second: Holding = { interface: 'tap13', mac: macOf(MAC2), epoch: 2, sinceMs: 1_700_000_000_999 };

const create = (entries: readonly Entry[]): Change[] => entries.map((after) => ({ before: null, after }));
const texts = (entries: readonly Entry[]) => entries.map((item) => `${entryId(item)} = ${item.value}`).sort();

/** @param open a switch that has nothing yet; the suite closes it */
export function itConforms(open: () => VSwitch): void {
  const scene = (says: string, act: (vswitch: VSwitch) => void) => {
    it(says, () => {
      const vswitch = open();
      try {
        act(vswitch);
      } finally {
        vswitch.cleanup();
        vswitch.close();
      }
    });
  };
  const all = entriesOf(uplinked, 'enforce');

  describe('every driver', () => {
    scene('lists nothing before anything was committed', (vswitch) => expect(vswitch.list()).toEqual([]));

    scene('lists exactly what was committed', (vswitch) => {
      const entries = [...all, holderEntry(uplinked, havip, first), holderEntry(uplinked, openHavip, second)];
      vswitch.commit(create(entries));
      expect(texts(vswitch.list())).toEqual(texts(entries));
    });

    scene('replaces a holder, keeping nothing of the old one', (vswitch) => {
      const [before, after] = [holderEntry(uplinked, havip, first), holderEntry(uplinked, havip, second)];
      vswitch.commit(create([...all, before]));
      vswitch.commit([{ before, after }]);
      expect(texts(vswitch.list())).toEqual(texts([...all, after]));
    });

    scene('changes the mode, a port and a fence in one transaction', (vswitch) => {
      const fenced = holderEntry(uplinked, havip, first);
      const open = holderEntry(uplinked, { ...havip, fence: false }, first);
      vswitch.commit(create([...all, fenced]));
      const guard = must(
        all.find(({ kind }) => kind === 'guard'),
        'guard',
      );
      const port = must(
        all.find(({ kind, key }) => kind === 'port' && key === 'tap7'),
        'tap7',
      );
      const moved = { ...port, value: port.value.replace('172.17.16.0/24', '172.17.32.0/24') };
      vswitch.commit([
        { before: guard, after: { ...guard, value: 'audit' } },
        { before: fenced, after: open },
        { before: port, after: moved },
      ]);
      const expected = all.map((item) => (item === guard ? { ...guard, value: 'audit' } : item === port ? moved : item));
      expect(texts(vswitch.list())).toEqual(texts([...expected, open]));
    });

    scene('does all of a transaction or nothing', (vswitch) => {
      vswitch.commit(create(all));
      const before = holderEntry(uplinked, havip, first);
      const other = holderEntry(uplinked, openHavip, second);
      const never = [
        { before: null, after: other },
        { before, after: null },
      ];
      expect(() => vswitch.commit(never)).toThrow(VSwitchError);
      expect(texts(vswitch.list())).toEqual(texts(all));
    });

    scene('removes everything in the reverse order', (vswitch) => {
      const entries = [...all, holderEntry(uplinked, havip, first)].sort(byKind);
      vswitch.commit(create(entries));
      const gone = entries.filter(({ kind }) => kind !== 'guard').toReversed();
      vswitch.commit(gone.map((before) => ({ before, after: null })));
      expect(vswitch.list().map(({ kind }) => kind)).toEqual(['guard']);
    });

    scene('cleans up, also when there is nothing', (vswitch) => {
      vswitch.cleanup();
      vswitch.commit(create(all));
      vswitch.cleanup();
      expect(vswitch.list()).toEqual([]);
    });

    scene('its own transactions are no change by somebody else', (vswitch) => {
      vswitch.commit(create(all));
      vswitch.commit(create([holderEntry(uplinked, havip, first)]));
      expect(vswitch.changed()).toBe(false);
      expect(vswitch.guardDropped()).toBe(0);
    });
  });
}

function byKind(a: Entry, b: Entry): number {
  const order = ['guard', 'sender', 'virtual', 'own', 'claim', 'holder', 'port', 'uplink'];
  return order.indexOf(a.kind) - order.indexOf(b.kind);
}
