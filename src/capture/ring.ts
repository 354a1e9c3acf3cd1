/**
 * The default source: one AF_PACKET ring per port. Run by a worker. Kernel nanosecond timestamps, exact drop counts, VLAN tags
 * beside the frame.
 */
import * as libc from '../abi/libc.ts';
import { type BpfInstruction, GUEST_CLAIMS } from './bpf.ts';
import { LiveSource, type LiveOptions } from './live.ts';
import { PacketRing } from './packet-ring.ts';

export interface RingOptions extends LiveOptions {
  /** Kernel memory per port, 3 frames per KiB. A thousand ports of 256 KiB take 256 MB. */
  readonly ringKib?: number;
  /** Which frames leave the kernel. */
  readonly program?: readonly BpfInstruction[];
}

/** Rings of deleted interfaces that are kept for new ones. */
const SPARES_MOST = 32;

/**
 * The kernel takes 8 to 18 ms to make a ring and 15 to 32 ms to free it (it waits for RCU), during which this thread captures
 * nothing; binding one anew takes 0.1 ms. So the ring of a deleted interface goes to the next that appears: what a guest's end
 * costs must not delay the claim of its successor.
 */
export class RingSource extends LiveSource<PacketRing> {
  readonly #spares: PacketRing[];

  /** Throws SystemError where this process may not capture (EPERM: needs CAP_NET_RAW). */
  constructor(options: RingOptions = {}) {
    libc.close(libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0));
    const { ringKib = 256, program = GUEST_CLAIMS } = options;
    const spares: PacketRing[] = [];
    const close = (ring: PacketRing) => {
      if (spares.length < SPARES_MOST && ring.isReusable()) spares.push(ring);
      else ring.close();
    };
    const open = (ifindex: number) => {
      const ring = spares.pop() ?? new PacketRing(ringKib, program);
      try {
        ring.listen(ifindex);
        return ring;
      } catch (error) {
        close(ring);
        throw error;
      }
    };
    super({ open, close, whileDown: true }, options);
    this.#spares = spares;
  }

  override close(): void {
    super.close();
    for (const ring of this.#spares.splice(0)) ring.close();
  }
}
