/** Waits for something that has no event of its own: asks at short intervals, ends with a clear error. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './command.ts';

const ASK_EVERY_MS = 5;

/** Resolves to the first result that is neither undefined nor false. `what` completes "no ... within N ms". */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  limitMs = 15_000,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    if (performance.now() > deadline) throw new LabError(`no ${what} within ${limitMs} ms`);
    await sleep(ASK_EVERY_MS);
  }
}
