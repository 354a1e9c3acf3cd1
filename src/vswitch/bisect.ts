/** One entry that the switch refuses must not stop the others: halve the batch until the refused ones stand alone. */
import { type Change, VSwitchError } from './vswitch.ts';

/** A switch that refuses everything is found out soon; what was not tried counts as refused. */
const MAX_REFUSALS = 64;

export interface BisectResult {
  readonly committed: number;
  readonly refused: readonly Change[];
  /** The last error; null when all was committed. */
  readonly error: VSwitchError | null;
}

/** @param commit all of the changes or none; throws VSwitchError */
export function bisect(changes: readonly Change[], commit: (changes: readonly Change[]) => void): BisectResult {
  const refused: Change[] = [];
  let committed = 0;
  let refusals = 0;
  let error: VSwitchError | null = null;
  const attempt = (part: readonly Change[]) => {
    if (refusals >= MAX_REFUSALS || error?.kind === 'unavailable') {
      refused.push(...part);
      return;
    }
    try {
      commit(part);
      committed += part.length;
    } catch (thrown) {
      if (!(thrown instanceof VSwitchError)) throw thrown;
      error = thrown;
      refusals++;
      if (part.length === 1 || thrown.kind === 'unavailable') refused.push(...part);
      else {
        const middle = part.length >> 1;
        attempt(part.slice(0, middle));
        attempt(part.slice(middle));
      }
    }
  };
  attempt(changes);
  return { committed, refused, error };
}
