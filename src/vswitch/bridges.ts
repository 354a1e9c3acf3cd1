/**
 * Who is on the same Linux bridge as our ports and is none: a copy of what the kernel says of bridges, kept by rtnetlink events. Asked
 * often, by the main thread; it costs one system call while nothing changes.
 */
import { type Link, LinkEvents, Rtnetlink } from '../abi/rtnetlink.ts';
import type { Beside } from './vswitch.ts';

/** A port of a bridge. */
type Plugged = Pick<Link, 'name' | 'kind' | 'bridge'>;

export class Bridges {
  readonly #events = new LinkEvents(); // before the first list: what changes meanwhile is then an event
  readonly #kernel: Rtnetlink;
  /** By index. */
  readonly #plugged = new Map<number, Plugged>();
  /** Bridges by index. */
  readonly #names = new Map<number, string>();
  #isFresh = false;
  #known: ReadonlySet<string> = new Set();
  #beside: readonly Beside[] = [];

  /** @param kernel stays the caller's */
  constructor(kernel: Rtnetlink) {
    this.#kernel = kernel;
    this.#listAgain();
  }

  /** The same list as long as nothing has changed. */
  beside(known: ReadonlySet<string>): readonly Beside[] {
    while (!this.#events.drain((link, gone) => this.#apply(link, gone))) this.#listAgain();
    if (this.#isFresh && known === this.#known) return this.#beside;
    this.#isFresh = true;
    this.#known = known;
    const ours = new Map<number, string>();
    for (const { name, bridge } of this.#plugged.values()) if (known.has(name) && !ours.has(bridge)) ours.set(bridge, name);
    const found: Beside[] = [];
    for (const [index, { name, kind, bridge }] of this.#plugged) {
      const beside = ours.get(bridge);
      if (beside === undefined || known.has(name)) continue;
      found.push({ interface: name, index, kind, bridge: this.#names.get(bridge) ?? `${bridge}`, beside });
    }
    this.#beside = found.sort((a, b) => (a.interface < b.interface ? -1 : 1));
    return this.#beside;
  }

  close(): void {
    this.#events.close();
  }

  #listAgain(): void {
    const links = this.#kernel.links();
    const there = new Set(links.map(({ index }) => index));
    for (const index of [...this.#plugged.keys(), ...this.#names.keys()]) if (!there.has(index)) this.#forget(index);
    for (const link of links) this.#apply(link, false);
  }

  /** Of a thousand interfaces that lose their carrier nothing has changed here. */
  #apply(link: Link, gone: boolean): void {
    const { index, name, kind, bridge } = link;
    if (gone) return this.#forget(index);
    if (kind === 'bridge' && this.#names.get(index) !== name) {
      this.#names.set(index, name);
      this.#isFresh = false;
    }
    const before = this.#plugged.get(index);
    if (before?.name === name && before.bridge === bridge) return;
    if (before === undefined && bridge === 0) return;
    if (bridge === 0) this.#plugged.delete(index);
    else this.#plugged.set(index, { name, kind, bridge });
    this.#isFresh = false;
  }

  #forget(index: number): void {
    const [wasPort, wasBridge] = [this.#plugged.delete(index), this.#names.delete(index)];
    if (wasPort || wasBridge) this.#isFresh = false;
  }
}
