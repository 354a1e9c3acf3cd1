/**
 * Many hosts, one store, everything that can go wrong, from seeds: the protocol keeps its invariants (check.ts), and each known wrong
 * variant of it does not. The other half of the histories is in simulation-more.test.ts, for the other CPU.
 */
import { describe, expect, it } from 'vitest';
import { Cursor, type WatchAnswer } from '../../src/fabric/cursor.ts';
import type { Fabric, FabricEvents, Proposal } from '../../src/fabric/fabric.ts';
import { MemoryStore, type Compare, type Put } from '../../src/fabric/memory/store.ts';
import type { Stage, Variant } from './stage.ts';
import { HISTORIES, runHistories, STEPS } from './histories.ts';
import { World } from './world.ts';

/** Histories within which a wrong variant must show. */
const PATIENCE = 1500;

function firstFailure(variant: Variant, store: new () => MemoryStore = MemoryStore): string | null {
  for (let seed = 0; seed < PATIENCE; seed++) {
    const [failure] = new World(seed, variant, store).run(STEPS);
    if (failure !== undefined) return failure;
  }
  return null;
}

/** Delegates to a fabric, with some of what it says changed on the way. */
function around(fabric: Fabric, change: (events: FabricEvents) => Partial<FabricEvents>): Fabric {
  return new Proxy(fabric, {
    get(target, name) {
      if (name === 'start') return (events: FabricEvents) => target.start({ ...events, ...change(events) });
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

class BlindStore extends MemoryStore {
  override transact(_compares: readonly Compare[], puts: readonly Put[], deletes?: readonly string[]): number | null {
    return super.transact([], puts, deletes);
  }
}

class HeaderCursor extends Cursor {
  #header = 0;

  override get resume(): number {
    return super.resume === 0 ? 0 : Math.max(super.resume, this.#header);
  }

  override take(answer: WatchAnswer): ReturnType<Cursor['take']> {
    this.#header = Math.max(this.#header, answer.header + 1);
    return super.take(answer);
  }
}

/** A beaten proposal is put at once on top of whatever is there now. */
function retrying(fabric: Fabric, world: Stage): Fabric {
  const sent = new Map<string, Proposal>();
  const wrapped = around(fabric, (events) => ({
    outcome(ids, outcome) {
      const proposal = ids.length === 1 ? sent.get(ids[0]!) : undefined;
      if (outcome.result !== 'beaten' || proposal === undefined) return events.outcome(ids, outcome);
      const [now] = world.store.range(`/havip/v1/state/vpc-1/binding/${proposal.havip}`);
      const again = { ...proposal, based: now?.revision ?? 0 };
      world.check.proposed([again]);
      fabric.propose([again]);
    },
  }));
  return new Proxy(wrapped, {
    get(target, name) {
      if (name !== 'propose') return Reflect.get(target, name) as unknown;
      return (batch: readonly Proposal[]) => {
        for (const proposal of batch) sent.set(proposal.id, proposal);
        fabric.propose(batch);
      };
    },
  });
}

const listWins = (fabric: Fabric): Fabric =>
  around(fabric, (events) => ({
    snapshot(vpc, items, revision) {
      events.snapshot(vpc, items, revision, 'restored');
    },
  }));

describe('many hosts and a store', () => {
  it(`keep the invariants in ${HISTORIES / 2} histories`, { timeout: 900_000 }, () => {
    runHistories(0, HISTORIES / 2);
  });

  it.each<[name: string, says: RegExp, variant: Variant, store?: new () => MemoryStore]>([
    ['a put without conditions', /I[1346]/, {}, BlindStore],
    ['a watch that goes on after the header', /events were lost|I[2458]/, { cursor: () => new HeaderCursor() }],
    ['a claim that is proposed again however old', /I[367]|P9/, { newer: () => true }],
    ['a try again at once when beaten', /I3/, { wrap: retrying }],
    ['a list that wins over what is newer', /I[23458]/, { wrap: listWins }],
    ['an adoption that drops holders on uplinks', /its restart made/, { adoptsRemote: false }],
    ['a lease that withdraws', /P9/, { leaseWithdraws: true }],
  ])('catches %s', { timeout: 120_000 }, (_, says, variant, store) => {
    expect(firstFailure(variant, store)).toMatch(says);
  });
});
