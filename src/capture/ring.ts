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

export class RingSource extends LiveSource {
  /** Throws SystemError where this process may not capture (EPERM: needs CAP_NET_RAW). */
  constructor(options: RingOptions = {}) {
    libc.close(libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0));
    const { ringKib = 256, program = GUEST_CLAIMS } = options;
    super((ifindex) => new PacketRing(ifindex, ringKib, program), options);
  }
}
