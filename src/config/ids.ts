/**
 * Which ids the HAVIPs of a list have, so that nobody walks 100,000 to find whether one is taken: that took 6 ms, and an allocation asks three
 * times. Made when a list is first asked for (100,000 take some 30 ms and 4 MB), and carried over to one that differs in a few. Any thread.
 */
type Havips = readonly { readonly id: string }[];

/** More changes than that, and the next list is walked once. */
const CHANGES_MOST = 1000;

class Ids {
  readonly #first: ReadonlySet<string>;
  readonly #came: ReadonlySet<string>;
  readonly #gone: ReadonlySet<string>;

  constructor(first: ReadonlySet<string>, came: ReadonlySet<string> = new Set(), gone: ReadonlySet<string> = new Set()) {
    this.#first = first;
    this.#came = came;
    this.#gone = gone;
  }

  get changes(): number {
    return this.#came.size + this.#gone.size;
  }

  has(id: string): boolean {
    return this.#came.has(id) || (this.#first.has(id) && !this.#gone.has(id));
  }

  /** @param gone what it has @param came what it has not, then */
  with(gone: Havips, came: Havips): Ids {
    const [nowCame, nowGone] = [new Set(this.#came), new Set(this.#gone)];
    for (const { id } of gone) if (!nowCame.delete(id)) nowGone.add(id);
    for (const { id } of came) if (!nowGone.delete(id)) nowCame.add(id);
    return new Ids(this.#first, nowCame, nowGone);
  }
}

/** A list of a configuration never changes. */
const known = new WeakMap<Havips, Ids>();

/** Asks for each list of a configuration once, so that the first one to whom it matters does not wait for it. */
export function readyIds(vpcs: readonly { readonly havips: Havips }[]): void {
  for (const { havips } of vpcs) idsOf(havips);
}

export function hasId(havips: Havips, id: string): boolean {
  return idsOf(havips).has(id);
}

/** Has one of these HAVIPs an id of `came`, those of `gone` aside? */
export function wouldClash(havips: Havips, gone: Havips, came: Havips): boolean {
  if (came.length === 0) return false;
  const ids = idsOf(havips);
  const staying = gone.length === 0 ? ids : ids.with(gone, []);
  return came.some(({ id }) => staying.has(id));
}

/** `after` is `before` without `gone` and with `came`, in whatever order. */
export function carryIds(before: Havips, after: Havips, gone: Havips, came: Havips): void {
  const ids = known.get(before)?.with(gone, came);
  if (ids !== undefined && ids.changes <= CHANGES_MOST) known.set(after, ids);
}

function idsOf(havips: Havips): Ids {
  let ids = known.get(havips);
  if (ids === undefined) known.set(havips, (ids = new Ids(new Set(havips.map(({ id }) => id)))));
  return ids;
}
