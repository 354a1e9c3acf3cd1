/** An answer that costs something, made at most so often. Main thread. */

/** One answer for all who ask within this time of its making. */
export function cachedFor<T>(ms: number, make: () => Promise<T>, nowMs = () => performance.now()): () => Promise<T> {
  let made: Promise<T> | null = null;
  let atMs = 0;
  return () => {
    if (made !== null && nowMs() - atMs < ms) return made;
    atMs = nowMs();
    made = make();
    made.catch(() => (made = null));
    return made;
  };
}
