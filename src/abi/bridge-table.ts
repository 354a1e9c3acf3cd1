/** Tables of MACs (FDB) of bridges, by rtnetlink (man 8 bridge; linux/neighbour.h), by the thread that opened the socket. */
import * as libc from './libc.ts';
import { encodeAttribute, NetlinkSocket, NLM_F_CREATE, NLM_F_REPLACE } from './netlink.ts';

const NETLINK_ROUTE = 0;
const RTM_NEWNEIGH = 28;
const NDA_LLADDR = 2;
/** Ages as what was learned does. */
const NUD_REACHABLE = 0x02;
/** Of the bridge that the device is a port of. */
const NTF_MASTER = 0x04;

export class BridgeTable {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE);

  /** As the bridge would have learned it: the MAC is behind this port. Returns 0, or the negative error number. */
  learn(ifindex: number, mac: number): number {
    const lladdr = Buffer.alloc(6);
    lladdr.writeUIntBE(mac, 0, 6);
    const body = Buffer.concat([ndmsg(ifindex, NUD_REACHABLE, NTF_MASTER), encodeAttribute(NDA_LLADDR, lladdr)]);
    return this.#socket.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body);
  }

  close(): void {
    this.#socket.close();
  }
}

/** family u8 | pad u8 u16 | ifindex s32 | state u16 | flags u8 | type u8 */
function ndmsg(ifindex: number, state: number, flags: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt8(libc.AF_BRIDGE, 0);
  body.writeInt32LE(ifindex, 4);
  body.writeUInt16LE(state, 8);
  body.writeUInt8(flags, 10);
  return body;
}
