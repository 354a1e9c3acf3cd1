/**
 * What the daemon asks of V8 and of the scheduler, where that matters to claims: when garbage is collected, and which threads are
 * real-time. What V8 has to be told before it starts stands in start.cts, what those who judge tell it in inliner.ts.
 */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMemory } from './libc.ts';
import { isRealtime, makeOrdinary } from './scheduler.ts';

type Collect = (options?: { readonly type: 'minor' }) => void;
let collector: Collect | null = null;

function collect(...options: Parameters<Collect>): void {
  if (collector === null) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collect;
  }
  collector(...options);
}

/**
 * Gives back what the start needed and the daemon does not: garbage, V8's pages that hold little, and what C libraries freed. Once,
 * before the agent is ready.
 */
export function collectGarbage(): void {
  setFlagsFromString('--compact-on-every-full-gc');
  collect();
  setFlagsFromString('--no-compact-on-every-full-gc');
  // The pages that the first one emptied go with the second.
  collect();
  trimMemory();
}

/**
 * A worker's heap reaches its first limit soon after its start, in the middle of the first losses of links (a collection of 7 ms, and of more
 * where its helpers get no CPU): so before the first frame instead.
 */
export function collectRehearsed(): void {
  collect();
}

/**
 * Empties the young generation, which takes 1 to 2 ms: now, while nobody waits, rather than in the middle of the next sync group. Of 200
 * groups the twentieth slowest was programmed after 2.3 ms, not 3.3.
 */
export function collectYoung(): void {
  collect({ type: 'minor' });
}

/**
 * Leaves a real-time scheduling class to this thread and to those that it starts from now on: the workers, and who waits for announcements. The others are V8's, which compile for tens of
 * milliseconds in a row, and libuv's, which wait; they had inherited it and kept guests off their CPUs: of 240 groups of 50 HAVIPs
 * that a guest moved at once 12 took it more than 2.5 ms to announce, 2 of 240 without (npm run bench -- group).
 */
export function keepRealtimeToMyself(): void {
  if (!isRealtime(process.pid)) return;
  for (const thread of readdirSync('/proc/self/task').map(Number)) if (thread !== process.pid) makeOrdinary(thread);
}
