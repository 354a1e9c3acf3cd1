/** Which threads of a daemon with a real-time scheduling class keep it. */
import { readdirSync } from 'node:fs';
import { isRealtime, makeOrdinary } from './scheduler.ts';

/**
 * Leaves the class to this thread and to those that it starts from now on, the workers. The others are V8's, which compile for tens of
 * milliseconds in a row, and libuv's, which wait; they had inherited it and kept guests off their CPUs: of 240 groups of 50 HAVIPs
 * that a guest moved at once 12 took it more than 2.5 ms to announce, 2 of 240 without (npm run bench -- group).
 */
export function keepRealtimeToMyself(): void {
  if (!isRealtime(process.pid)) return;
  for (const thread of readdirSync('/proc/self/task').map(Number)) if (thread !== process.pid) makeOrdinary(thread);
}
