/** What the tests of a switch that answers later begin with. */
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Network } from '../../src/base/network.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { seedNetwork } from '../network.ts';
import { LaterSwitch } from './later.ts';
import { KeptLog } from './values.ts';

/** A reconciler over a switch that answers when it is told to; nothing is asked yet. */
export function bare(network: Network = seedNetwork) {
  const memory = new MemorySwitch();
  const vswitch = new LaterSwitch(memory);
  const clock = new ManualClock();
  const log = new KeptLog();
  const answers: number[] = [];
  const reconciler: Reconciler = new Reconciler({
    vswitch,
    clock,
    log,
    onAnswer: (atNs) => {
      answers.push(atNs);
      reconciler.flush();
    },
  });
  reconciler.configure(network, 'enforce');
  reconciler.letHoldersGo();
  return { vswitch, memory, clock, log, answers, reconciler };
}

/** As the owner does, until nothing is asked and nothing is to be tried again. */
export async function settle({ vswitch, reconciler, clock }: ReturnType<typeof bare>): Promise<void> {
  for (let turn = 0; turn < 100 && (vswitch.waiting > 0 || reconciler.nextRetryNs !== null); turn++) {
    if (vswitch.waiting > 0) await vswitch.answer();
    else {
      clock.advanceMs(Math.max(0, (must(reconciler.nextRetryNs, 'a retry') - clock.nowNs()) / 1e6));
      reconciler.flush();
    }
  }
}
