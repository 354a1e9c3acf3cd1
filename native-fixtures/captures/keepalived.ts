/**
 * keepalived in its versions and manners of ending. Each capture starts before the first master, so that a replay sees every
 * binding begin, and goes on for 6 s after the last change: announcements at once, after garp_master_delay, and one refresh.
 */
import type { KeepalivedOptions } from '../lab/keepalived.ts';
import type { Lab } from '../lab/lab.ts';
import type { Expected } from './capture.ts';
import { UNMOVED } from './scenario.ts';
import type { Scenario } from './scenario.ts';

const SETTLED_MS = 6_000;
const ALONE: Expected = { holders: ['cvm-1'], failovers: UNMOVED, drops: [] };

export const keepalivedScenarios: readonly Scenario[] = [
  election('keepalived-v2-unicast', 'the reference configuration: cvm-1 becomes master, cvm-2 stays backup', {}),
  election('keepalived-v2-multicast', 'version 2 by multicast', { multicast: true }),
  election('keepalived-v3-unicast', 'version 3 by unicast', { version: 3 }),
  election('keepalived-v3-multicast', 'version 3 by multicast, 5 adverts per second', {
    version: 3,
    multicast: true,
    advertMs: 200,
  }),
  election('keepalived-vmac', 'version 2 by multicast with use_vmac: ARP from the virtual MAC', {
    multicast: true,
    virtualMac: true,
  }),
  handover(
    'keepalived-clean-stop',
    'resign',
    'cvm-1 is stopped: an advert with priority 0, then cvm-2 takes over',
    async (lab) => {
      const [first, second] = await pair(lab);
      await first.stop();
      await second.enters('MASTER');
    },
  ),
  handover('keepalived-crash', 'silence', 'cvm-1 is killed: no word from it, then cvm-2 takes over', async (lab) => {
    const [first, second] = await pair(lab);
    await first.crash();
    await second.enters('MASTER');
  }),
  handover('keepalived-preempt', 'preempt', 'cvm-1 holds; cvm-2 comes with a higher priority and takes over', async (lab) => {
    const first = await lab.guest('cvm-1').keepalived({ priority: 80, preempt: true });
    await first.enters('MASTER');
    const second = await lab.guest('cvm-2').keepalived({ priority: 100, preempt: true });
    await second.enters('MASTER');
    await first.enters('BACKUP');
  }),
  splitBrain(
    'keepalived-two-masters',
    'split brain: the two do not hear each other, both advertise and announce; the election order is for cvm-2, the higher address',
    { multicast: true },
    { count: 1, cause: 'preempt' },
  ),
  splitBrain(
    'keepalived-two-masters-unheard',
    'split brain by unicast: the peers’ addresses cannot be resolved, so there are announcements but no adverts',
    {},
    { count: 1, cause: 'takeover', atLeast: true },
  ),
];

function describe(name: string, shows: string, expected: Expected) {
  return { file: `${name}.pcapng`, shows, program: 'keepalived', interfaces: ['tap7', 'tap13'], expected } as const;
}

function election(name: string, shows: string, options: KeepalivedOptions): Scenario {
  return {
    ...describe(name, shows, ALONE),
    command: `keepalived on cvm-1 and cvm-2: ${JSON.stringify(options)}`,
    async act(lab, pause) {
      const first = await lab.guest('cvm-1').keepalived({ ...options, priority: 100 });
      await lab.guest('cvm-2').keepalived(options);
      await first.enters('MASTER');
      await pause(SETTLED_MS);
    },
  };
}

function handover(
  name: string,
  cause: 'resign' | 'silence' | 'preempt',
  shows: string,
  act: (lab: Lab) => Promise<void>,
): Scenario {
  return {
    ...describe(name, shows, { holders: ['cvm-1', 'cvm-2'], failovers: { count: 1, cause }, drops: [] }),
    command: 'keepalived on cvm-1 and cvm-2, reference configuration',
    async act(lab, pause) {
      await act(lab);
      await pause(SETTLED_MS);
    },
  };
}

/** Both go on announcing: what counts is the start of a claim. */
function splitBrain(name: string, shows: string, options: KeepalivedOptions, failovers: Expected['failovers']): Scenario {
  return {
    ...describe(name, shows, { holders: ['cvm-1', 'cvm-2'], failovers, drops: [] }),
    command: `bridge link set dev tap7 isolated on; the same for tap13; keepalived on cvm-1, then on cvm-2: ${JSON.stringify(options)}`,
    async act(lab, pause) {
      for (const tap of ['tap7', 'tap13']) await lab.host.exec(['bridge', 'link', 'set', 'dev', tap, 'isolated', 'on']);
      const first = await lab.guest('cvm-1').keepalived(options);
      await first.enters('MASTER');
      const second = await lab.guest('cvm-2').keepalived(options);
      await second.enters('MASTER');
      await pause(2 * SETTLED_MS);
    },
  };
}

/** cvm-1 master, cvm-2 backup. */
async function pair(lab: Lab) {
  const first = await lab.guest('cvm-1').keepalived();
  await first.enters('MASTER');
  return [first, await lab.guest('cvm-2').keepalived()] as const;
}
