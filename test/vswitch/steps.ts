/** What happens to a reconciler in a property: what is wanted changes, and what can go wrong with a switch does. */
import fc from 'fast-check';
import { must } from '../../src/base/assert.ts';
import { type Binding, bindingHere } from '../../src/base/binding.ts';
import type { Network } from '../../src/base/network.ts';
import type { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import type { Reconciler } from '../../src/vswitch/reconciler.ts';
import { HAVIP1, HAVIP2, HAVIP_OPEN, seedNetwork } from '../network.ts';
import { entriesOf, holdersOf, loseOne, texts, withHavip } from './values.ts';

const someHavip = fc.constantFrom(HAVIP1, HAVIP2, HAVIP_OPEN);

export const STEPS = [
  fc.record({ do: fc.constant('hold' as const), havip: someHavip, epoch: fc.nat(9), port: fc.nat(4) }),
  fc.record({ do: fc.constant('drop' as const), havip: someHavip }),
  fc.record({ do: fc.constant('refuse' as const), commits: fc.nat(6) }),
  fc.record({ do: fc.constant('refuseEntry' as const), havip: someHavip }),
  fc.record({ do: fc.constant('outage' as const), on: fc.boolean() }),
  fc.record({ do: fc.constant('lose' as const), entry: fc.nat(40) }),
  fc.record({ do: fc.constant('configure' as const), havip: someHavip, fence: fc.boolean(), released: fc.boolean() }),
] as const;
type Step = (typeof STEPS)[number] extends infer A ? (A extends fc.Arbitrary<infer T> ? T : never) : never;

export class Wishes {
  network: Network = seedNetwork;
  readonly holders = new Map<number, Binding>();

  take(now: Step, reconciler: Reconciler, memory: MemorySwitch): void {
    switch (now.do) {
      case 'hold': {
        const port = must(seedNetwork.ports[now.port], 'port');
        const binding = bindingHere(port, port.mac, now.epoch, now.epoch);
        if (this.network.havips[now.havip]) this.holders.set(now.havip, binding);
        return reconciler.hold(now.havip, binding);
      }
      case 'drop':
        this.holders.delete(now.havip);
        return reconciler.hold(now.havip, null);
      case 'refuse':
        memory.failCommits = now.commits;
        return;
      case 'refuseEntry':
        memory.failEntries.add(`holder vpc-1 172.17.${now.havip === HAVIP2 ? 32 : 16}.3`);
        return;
      case 'outage':
        memory.unavailable = now.on;
        return;
      case 'lose':
        return loseOne(memory, now.entry);
      case 'configure':
        this.network = withHavip(this.network, now.havip, now.released ? null : now.fence);
        if (now.released) this.holders.delete(now.havip);
        return reconciler.configure(this.network, 'enforce');
    }
  }

  /** What the switch shall have in the end, as text. */
  get expected(): string[] {
    return texts([...entriesOf(this.network, 'enforce'), ...holdersOf([...this.holders], this.network)]);
  }
}

/** Nothing goes wrong any more. */
export function heal(memory: MemorySwitch): void {
  memory.failCommits = 0;
  memory.failEntries.clear();
  memory.unavailable = false;
}
