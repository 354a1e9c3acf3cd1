/** Whatever goes wrong and whenever it answers, the switch has in the end what the reconciler was told. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { type Binding, bindingHere } from '../../src/base/binding.ts';
import type { Network } from '../../src/base/network.ts';
import { HAVIP1, HAVIP2, HAVIP_OPEN, seedNetwork } from '../network.ts';
import { bare, settle } from './later-scene.ts';
import { entriesOf, holdersOf, loseOne, texts, withHavip } from './values.ts';

const someHavip = fc.constantFrom(HAVIP1, HAVIP2, HAVIP_OPEN);
const step = fc.oneof(
  fc.record({ do: fc.constant('hold' as const), havip: someHavip, epoch: fc.nat(9), port: fc.nat(4) }),
  fc.record({ do: fc.constant('drop' as const), havip: someHavip }),
  fc.record({ do: fc.constant('refuse' as const), commits: fc.nat(6) }),
  fc.record({ do: fc.constant('refuseEntry' as const), havip: someHavip }),
  fc.record({ do: fc.constant('outage' as const), on: fc.boolean() }),
  fc.record({ do: fc.constant('silence' as const), answers: fc.nat(2) }),
  fc.record({ do: fc.constant('setAside' as const), requests: fc.nat(2) }),
  fc.record({ do: fc.constant('answerAside' as const) }),
  fc.record({ do: fc.constant('lose' as const), entry: fc.nat(40) }),
  fc.record({ do: fc.constant('configure' as const), havip: someHavip, fence: fc.boolean(), released: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(400), fc.nat(5000)) }),
  fc.record({ do: fc.constant('resync' as const) }),
  fc.record({ do: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 4 }) }),
);

it('the switch equals what is desired, eventually, whenever and whether it answers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const scene = bare();
      const { reconciler, vswitch, memory, clock } = scene;
      let network: Network = seedNetwork;
      const wanted = new Map<number, Binding>();
      for (const now of steps) {
        if (now.do === 'hold') {
          const port = must(seedNetwork.ports[now.port], 'port');
          const binding = bindingHere(port, port.mac, now.epoch, now.epoch);
          if (network.havips[now.havip]) wanted.set(now.havip, binding);
          reconciler.hold(now.havip, binding);
        } else if (now.do === 'drop') {
          wanted.delete(now.havip);
          reconciler.hold(now.havip, null);
        } else if (now.do === 'refuse') memory.failCommits = now.commits;
        else if (now.do === 'refuseEntry') memory.failEntries.add(`holder vpc-1 172.17.${now.havip === HAVIP2 ? 32 : 16}.3`);
        else if (now.do === 'outage') memory.unavailable = now.on;
        else if (now.do === 'silence') vswitch.lostAnswers = now.answers;
        else if (now.do === 'setAside') vswitch.setAside = now.requests;
        else if (now.do === 'answerAside') await vswitch.answerAside();
        else if (now.do === 'lose') loseOne(memory, now.entry);
        else if (now.do === 'configure') {
          network = withHavip(network, now.havip, now.released ? null : now.fence);
          if (now.released) wanted.delete(now.havip);
          reconciler.configure(network, 'enforce');
        } else if (now.do === 'wait') clock.advanceMs(now.ms);
        else if (now.do === 'resync') reconciler.resync();
        else for (let i = 0; i < now.count; i++) await vswitch.answer();
        reconciler.flush();
        for (const [index, binding] of wanted)
          if (reconciler.isProgrammed(index)) expect(reconciler.has(index, binding)).toBe(true);
      }
      memory.failCommits = 0;
      memory.failEntries.clear();
      memory.unavailable = false;
      vswitch.lostAnswers = 0;
      vswitch.setAside = 0;
      for (let i = 0; i < steps.length; i++) await vswitch.answerAside();
      await settle(scene);
      reconciler.resync();
      await settle(scene);
      expect([vswitch.waiting, reconciler.inSync, reconciler.trouble]).toEqual([0, true, null]);
      expect(texts(memory.list())).toEqual(texts([...entriesOf(network, 'enforce'), ...holdersOf([...wanted], network)]));
    }),
    { numRuns: 300 },
  );
});
