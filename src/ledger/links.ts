/**
 * What is known of each port's link. Unknown counts as up: an agent that just started has lost nothing yet. Main thread.
 */
import { MAX_PORTS } from '../base/network.ts';
import type { LinkChange } from '../lane/claim.ts';
import { NEVER } from './limits.ts';

interface Link {
  state: LinkChange['state'];
  ifindex: number;
  /** How often it had had a carrier when it lost the one that it lacks; -1: not known. */
  carriers: number;
  /** Start of the last loss, over or not. */
  lostNs: number;
  /** The interface that came back is another one of the same name: another guest, as far as anybody knows. */
  replaced: boolean;
}

export class Links {
  readonly #links: (Link | undefined)[] = [];
  /** Of uplinks, by place, only for people: a dead uplink says nothing of those beyond it. */
  readonly #uplinks = new Map<number, LinkChange['state']>();

  note(change: LinkChange): void {
    if (change.port >= MAX_PORTS) {
      this.#uplinks.set(change.port, change.state);
      return;
    }
    const { ifindex, carriers = -1 } = change;
    const link = (this.#links[change.port] ??= { state: 'up', ifindex, carriers, lostNs: NEVER, replaced: false });
    const replaced = change.ifindex !== 0 && link.ifindex !== 0 && change.ifindex !== link.ifindex;
    if (change.state !== 'up' && link.state === 'up') link.lostNs = change.atNs;
    else if (change.state === 'up' && link.state === 'up' && replaced) link.lostNs = change.atNs;
    if (change.state === 'up') link.replaced = replaced;
    link.state = change.state;
    link.carriers = carriers;
    if (change.ifindex !== 0) link.ifindex = change.ifindex;
  }

  /** null: not told yet. */
  state(port: number): LinkChange['state'] | null {
    return this.#links[port]?.state ?? this.#uplinks.get(port) ?? null;
  }

  isUp(port: number): boolean {
    return (this.#links[port]?.state ?? 'up') === 'up';
  }

  /** The interface behind the port, or behind it last; 0: not told yet. */
  ifindex(port: number): number {
    return this.#links[port]?.ifindex ?? 0;
  }

  /** How often that one had had a carrier when it lost the one that it lacks; -1: not known. */
  carriers(port: number): number {
    return this.#links[port]?.carriers ?? -1;
  }

  /** Start of the last loss; NEVER if there was none. */
  lostNs(port: number): number {
    return this.#links[port]?.lostNs ?? NEVER;
  }

  /** Since when a guest last heard at `signNs` is cut off or replaced; NEVER while it is not. */
  goneNs(port: number, signNs: number): number {
    const link = this.#links[port];
    if (link === undefined || (link.state === 'up' && !(link.replaced && link.lostNs > signNs))) return NEVER;
    return link.lostNs;
  }

  /** Another guest has the port: its link is what it was, but what was lost there before is none of its losses. */
  passOn(port: number): void {
    const link = this.#links[port];
    if (link !== undefined) [link.lostNs, link.replaced] = [NEVER, false];
  }

  /** The port is no more; its index may go to another one. */
  forget(port: number): void {
    this.#links[port] = undefined;
  }
}
