/** A belief of the program that turned out false: a defect here, never a guest's or an operator's doing. */
export class BrokenBelief extends Error {
  override name = 'BrokenBelief';
}

/** Ends the program when what it believes is not so. For what can be expected to happen, return a value instead. */
export function assert(belief: boolean, says: string): asserts belief {
  if (!belief) throw new BrokenBelief(says);
}

/** The value, which the program believes to be there. */
export function must<T>(value: T | null | undefined, says: string): T {
  if (value === null || value === undefined) throw new BrokenBelief(says);
  return value;
}
