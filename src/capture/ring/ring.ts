/**
 * The default source: one AF_PACKET ring per port. Run by a worker. Kernel nanosecond timestamps, exact drop counts, VLAN tags
 * beside the frame, a limit of rate inside the kernel.
 *
 * The kernel takes 8 to 18 ms to make a ring and 15 to 32 ms to free it (it waits for RCU), during which a thread captures nothing;
 * binding one that is made takes 0.1 ms. So another thread makes and frees them (onNeeds), a few are always in stock, and the ring of
 * a deleted interface goes to the next that appears.
 */
import * as libc from '../../abi/libc.ts';
import { LiveSource, type LiveOptions } from '../live.ts';
import { PacketRing } from './packet-ring.ts';
import { descriptorsOf, makeRing, type RingShape, type RingSocket } from './socket.ts';
import type { FrameSink, LinkSink, RingNeeds } from '../source.ts';

export interface RingOptions extends LiveOptions {
  /** Kernel memory per port, 7 frames in 4 KiB. A thousand ports of 256 KiB take 256 MB. */
  readonly ringKib?: number;
  readonly policed?: boolean;
  /** Another thread does what takes long, and answers with supply(). Without it this one does. */
  readonly onNeeds?: (needs: RingNeeds) => void;
}

/** Rings in stock for interfaces that appear; of those of deleted interfaces no more than the second number are kept. */
const SPARES_LEAST = 4;
const SPARES_MOST = 32;

/** The stock: shared by LiveSource, which opens and closes, and RingSource, which is supplied. */
class Rings {
  /** Of deleted interfaces, ready to listen to others. */
  readonly spares: PacketRing[] = [];
  /** By the other thread, not mapped yet. */
  readonly made: RingSocket[] = [];
  readonly discarded: number[] = [];
  /** That the other thread could not make: made here, where the failure gets its reason. */
  owed = 0;
  readonly #shape: RingShape;
  readonly #elsewhere: boolean;

  constructor(shape: RingShape, elsewhere: boolean) {
    this.#shape = shape;
    this.#elsewhere = elsewhere;
  }

  get stock(): number {
    return this.spares.length + this.made.length;
  }

  open(ifindex: number, isUplink: boolean): PacketRing | null {
    const ring = this.spares.pop() ?? this.#map();
    if (ring === null) return null;
    try {
      if (isUplink) ring.narrow();
      ring.listen(ifindex);
      return ring;
    } catch (error) {
      this.close(ring);
      throw error;
    }
  }

  #map(): PacketRing | null {
    const made = this.made.pop();
    if (made !== undefined) return new PacketRing(made);
    if (this.#elsewhere && this.owed === 0) return null;
    this.owed = Math.max(0, this.owed - 1);
    return new PacketRing(makeRing(this.#shape));
  }

  close(ring: PacketRing): void {
    if (this.spares.length < SPARES_MOST && ring.isReusable()) this.spares.push(ring);
    else this.#discard([ring.unmap()]);
  }

  clear(): void {
    for (const ring of this.spares.splice(0)) this.#discard([ring.unmap()]);
    for (const made of this.made.splice(0)) this.#discard(descriptorsOf(made));
  }

  #discard(fds: readonly number[]): void {
    if (this.#elsewhere) this.discarded.push(...fds);
    else for (const fd of fds) libc.close(fd);
  }
}

export class RingSource extends LiveSource<PacketRing> {
  readonly #rings: Rings;
  readonly #onNeeds: RingOptions['onNeeds'];
  /** Asked for and not yet here. */
  #ordered = 0;
  /** What the stock should hold; nothing while none can be made, for ports that wait are reason enough to try. */
  #reserve = SPARES_LEAST;

  /** Throws SystemError where this process may not capture (EPERM: needs CAP_NET_RAW). */
  constructor(options: RingOptions = {}) {
    libc.close(libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0));
    const { ringKib = 256, policed = false, onNeeds } = options;
    const rings = new Rings({ ringKib, policed }, onNeeds !== undefined);
    super(
      { open: (ifindex, _name, isUplink) => rings.open(ifindex, isUplink), close: (ring) => rings.close(ring), whileDown: true },
      options,
    );
    this.#rings = rings;
    this.#onNeeds = onNeeds;
  }

  override drain(onFrame: FrameSink, onLink: LinkSink, budgetPerPort: number, onUplinkFrame?: FrameSink): number {
    const frames = super.drain(onFrame, onLink, budgetPerPort, onUplinkFrame);
    this.#tellNeeds(this.waiting + this.#reserve - this.#rings.stock - this.#ordered);
    return frames;
  }

  supply(rings: readonly RingSocket[], failed: number): void {
    this.#ordered -= rings.length + failed;
    this.#rings.made.push(...rings);
    this.#rings.owed = Math.min(failed, this.waiting);
    this.#reserve = failed > 0 ? 0 : SPARES_LEAST;
    this.openWaiting();
  }

  #tellNeeds(missing: number): void {
    const rings = Math.max(0, missing);
    const discarded = this.#rings.discarded.splice(0);
    if (rings === 0 && discarded.length === 0) return;
    this.#ordered += rings;
    this.#onNeeds?.({ rings, discarded });
  }

  override close(): void {
    super.close();
    this.#rings.clear();
    this.#tellNeeds(0);
  }
}
