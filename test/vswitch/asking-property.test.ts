/** Whatever goes wrong and whenever it answers, the switch has in the end what the reconciler was told. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bare, settle } from './later-scene.ts';
import { heal, STEPS, Wishes } from './steps.ts';
import { texts } from './values.ts';

const step = fc.oneof(
  ...STEPS,
  fc.record({ do: fc.constant('silence' as const), answers: fc.nat(2) }),
  fc.record({ do: fc.constant('setAside' as const), requests: fc.nat(2) }),
  fc.record({ do: fc.constant('answerAside' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.oneof(fc.nat(400), fc.nat(5000)) }),
  fc.record({ do: fc.constant('resync' as const) }),
  fc.record({ do: fc.constant('renew' as const) }),
  fc.record({ do: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 4 }) }),
);

it('the switch equals what is desired, eventually, whenever and whether it answers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const scene = bare();
      const { reconciler, vswitch, memory, clock } = scene;
      reconciler.want((desired) => desired.keepAlive(10));
      const wishes = new Wishes();
      for (const now of steps) {
        if (now.do === 'silence') vswitch.lostAnswers = now.answers;
        else if (now.do === 'setAside') vswitch.setAside = now.requests;
        else if (now.do === 'answerAside') await vswitch.answerAside();
        else if (now.do === 'wait') clock.advanceMs(now.ms);
        else if (now.do === 'resync') reconciler.resync();
        else if (now.do === 'renew') reconciler.renew();
        else if (now.do === 'answer') for (let i = 0; i < now.count; i++) await vswitch.answer();
        else wishes.take(now, reconciler, memory);
        reconciler.flush();
        for (const [index, binding] of wishes.holders)
          if (reconciler.isProgrammed(index)) expect(reconciler.has(index, binding)).toBe(true);
      }
      heal(memory);
      vswitch.lostAnswers = 0;
      vswitch.setAside = 0;
      for (let i = 0; i < steps.length; i++) await vswitch.answerAside();
      await settle(scene);
      reconciler.resync();
      await settle(scene);
      expect([vswitch.waiting, reconciler.inSync, reconciler.trouble]).toEqual([0, true, null]);
      expect(texts(memory.list())).toEqual([...wishes.expected, 'alive - = 10'].sort());
    }),
    { numRuns: 300 },
  );
});
