/**
 * Gives back what the start needed and the daemon does not: garbage, V8's pages that hold little, and what C libraries freed. Main
 * thread, once, before the agent is ready.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMemory } from './abi/libc.ts';

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--compact-on-every-full-gc');
  collect();
  setFlagsFromString('--no-compact-on-every-full-gc');
  // The pages that the first one emptied go with the second.
  collect();
  trimMemory();
}
