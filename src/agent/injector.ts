/**
 * Sends single frames out of an interface, as if they came from the network behind the host: what a guest then receives. Used for an
 * assisted resign and for asking a holder by ARP. One AF_PACKET socket; netdev ingress hooks do not see what goes out.
 */
import { AF_PACKET, close, hasInterface, ifNametoindex, sendTo, SOCK_RAW, socket } from '../abi/libc.ts';
import { type Link, Rtnetlink } from '../abi/rtnetlink.ts';

export class Injector {
  readonly #fd = socket(AF_PACKET, SOCK_RAW, 0);
  readonly #kernel = new Rtnetlink();

  /** False when the interface is gone or refuses; that is for the caller to count. */
  inject(interfaceName: string, frame: Uint8Array): boolean {
    const ifindex = ifNametoindex(interfaceName);
    return ifindex !== 0 && sendTo(this.#fd, frame, linkAddress(ifindex)) === frame.length;
  }

  /** The last look before somebody is spoken for: what the kernel says of an interface, by whatever name. */
  look(ifindex: number): (Link & { readonly received: number }) | null {
    // Of a hundred that vanish at once each question would wait for the kernel to be done with all.
    return hasInterface(ifindex) ? this.#kernel.link(ifindex) : null;
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
