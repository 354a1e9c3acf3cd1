/** An answer that costs something, made at most so often. Main thread. */

/** One answer for all who ask within this time of its making. */
export function cachedFor(ms: number, make: () => Promise<string>, nowMs = () => performance.now()): () => Promise<string> {
  let made: Promise<string> | null = null;
  let atMs = 0;
  return () => {
    if (made !== null && nowMs() - atMs < ms) return made;
    atMs = nowMs();
    made = make();
    made.catch(() => (made = null));
    return made;
  };
}
