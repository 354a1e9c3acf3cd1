/**
 * Failovers of real keepalived, seen by the agent and by a client that pings the HAVIP each millisecond: five kinds, two versions
 * of VRRP, with and without `assist`. Then disputes over real wires (failover-contest.ts).
 *
 * Three labs at a time: keepalived is idle most of the time, and so are its guests.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import type { Bench } from './bench.ts';
import { benchContests } from './failover-contest.ts';
import { plotFailovers } from './failover-plot.ts';
import { type Kind, KINDS, mistakeIn, Rig, type Run, type Setting } from './failover-rig.ts';
import { hashOfCauses, tableOf } from './failover-table.ts';

/** Failovers of these kinds, one after the other, in a lab of their own. */
interface Job {
  readonly setting: Setting;
  readonly kinds: readonly Kind[];
  readonly runs: number;
}

const LABS_AT_ONCE = 3;
const RUNS = 20;
/** Of what a percentile is asked for. */
const MANY_RUNS = 100;
/** keepalived's adverts come each second: failovers begin at evenly spread moments between two of them... */
const ADVERT_MS = 1000;
const GOLDEN = 0.618_034;

const SETTINGS: readonly Setting[] = [
  { version: 2, assist: false },
  { version: 2, assist: true },
  { version: 3, assist: false },
  { version: 3, assist: true },
];

const EVERY_SETTING = KINDS.filter((kind) => kind !== 'hung machine');

/** Where `assist` has most to give, and what it takes for three. */
const MORE: readonly Job[] = [
  { setting: { version: 2, assist: true, priority: 250 }, kinds: ['crash with link loss'], runs: RUNS },
  { setting: { version: 3, assist: true, members: 3 }, kinds: ['crash with link loss'], runs: RUNS },
  { setting: { version: 2, assist: true }, kinds: ['hung machine'], runs: RUNS },
  { setting: { version: 3, assist: true }, kinds: ['hung machine'], runs: RUNS },
];

export const bench: Bench = {
  name: 'failover',
  question: 'how long is a client without the HAVIP, where does the time go, and is the cause told right?',
  async run({ small, print }) {
    const jobs = small
      ? smallJobs()
      : [
          ...SETTINGS.flatMap((setting) =>
            EVERY_SETTING.map((kind) => ({ setting, kinds: [kind], runs: runsOf(setting, kind) })),
          ),
          ...MORE,
        ];
    const runs = (await inParallel(jobs, small ? jobs.length : LABS_AT_ONCE, failOver)).flat();
    for (const line of tableOf(runs)) print(`  ${line}`);
    const mistakes = runs.flatMap((run) => mistakeIn(run) ?? []);
    print(
      `  cause right, and phases add up to total, in ${runs.length - mistakes.length} of ${runs.length}  hash ${hashOfCauses(runs)}`,
    );
    if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
    if (small) return;
    const folder = join(projectRoot(), 'bench/results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'failover.svg'), plotFailovers(runs));
    print('  plot: bench/results/failover.svg');
    await benchContests(print);
  },
};

/** Crashes, of version 3 and assisted, have a goal for the slowest too. */
function runsOf({ version, assist }: Setting, kind: Kind): number {
  return version === 3 && assist && kind === 'crash with link loss' ? MANY_RUNS : RUNS;
}

function smallJobs(): Job[] {
  return [
    { setting: SETTINGS[0]!, kinds: EVERY_SETTING, runs: 1 },
    { setting: SETTINGS[3]!, kinds: KINDS, runs: 1 },
    { setting: MORE[1]!.setting, kinds: ['crash with link loss'], runs: 2 },
  ];
}

async function failOver({ setting, kinds, runs }: Job): Promise<Run[]> {
  using rig = await Rig.create(setting);
  const seen: Run[] = [];
  for (let i = 0; i < runs; i++) {
    for (const kind of kinds) {
      // ...and a death after the new backup has heard one: before that it counts from its own start.
      const heardMs = kind.startsWith('crash') ? ADVERT_MS : 0;
      seen.push(await rig.run(kind, heardMs + ADVERT_MS * ((seen.length * GOLDEN) % 1)));
    }
  }
  return seen;
}

/** Results in the order of the jobs. */
async function inParallel<T, R>(jobs: readonly T[], atOnce: number, act: (job: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = [...jobs.entries()];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results[next[0]] = await act(next[1]);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, jobs.length) }, work));
  return results;
}
