/**
 * Sends single frames out of an interface, as if they came from the network behind the host: what a guest then receives. Used for an
 * assisted resign and for asking a holder by ARP. One AF_PACKET socket; netdev ingress hooks do not see what goes out.
 *
 * And looks at interfaces, as the ledger asks it to (Look). The kernel removes a tap under its lock of interfaces (RTNL), for
 * milliseconds each; while a hundred guests die, a question that takes it (RTM_GETLINK) waits for most of them. So it is asked only where
 * what needs no lock leaves doubt.
 */
import { interfaceCount, interfaceIndex, interfaceName, isSetUp } from '../abi/interface.ts';
import { AF_PACKET, close, sendTo, setsockopt, SOCK_RAW, socket, SOL_SOCKET } from '../abi/libc.ts';
import { Rtnetlink } from '../abi/rtnetlink.ts';
import type { Look } from '../ledger/book.ts';

const SO_PRIORITY = 12;
/** Before the bulk that waits in the port's queue (tc-prio(8)). */
const TC_PRIO_INTERACTIVE = 6;

export class Injector implements Look {
  readonly #fd = socket(AF_PACKET, SOCK_RAW, 0);
  readonly #kernel = new Rtnetlink();

  constructor() {
    setsockopt(this.#fd, SOL_SOCKET, SO_PRIORITY, TC_PRIO_INTERACTIVE);
  }

  /** False when the interface is gone or refuses; that is for the caller to count. */
  inject(interfaceName: string, frame: Uint8Array): boolean {
    const ifindex = interfaceIndex(this.#fd, interfaceName);
    return ifindex !== 0 && sendTo(this.#fd, frame, linkAddress(ifindex)) === frame.length;
  }

  isThere(ifindex: number, carriers: number): boolean {
    const name = interfaceName(this.#fd, ifindex);
    if (name === null || !isSetUp(this.#fd, name)) return false;
    if (carriers >= 0 && interfaceCount(name, ifindex, 'carrier_up_count') === carriers) return false;
    return this.#kernel.link(ifindex)?.carrier === true;
  }

  received(ifindex: number): number | null {
    const name = interfaceName(this.#fd, ifindex);
    if (name === null) return null;
    return interfaceCount(name, ifindex, 'statistics/rx_packets') ?? this.#kernel.link(ifindex)?.received ?? null;
  }

  close(): void {
    close(this.#fd);
    this.#kernel.close();
  }
}

/** struct sockaddr_ll (packet(7)): family, protocol, interface index. */
function linkAddress(ifindex: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(0, AF_PACKET, true);
  address.setInt32(4, ifindex, true);
  return new Uint8Array(address.buffer);
}
