/**
 * What the kernel says of one interface without its lock of interfaces (RTNL), which is held for milliseconds while it removes others:
 * netdevice(7)'s calls for names and flags, and the counts of sysfs. Whoever may not wait asks here; rtnetlink.ts knows more.
 *
 * sysfs shows the interfaces of the network namespace that it was mounted in. Another one's of the same name is told by its index.
 */
import { readFileSync } from 'node:fs';
import { ioctl } from './libc.ts';

const SIOCGIFNAME = 0x8910;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFINDEX = 0x8933;
const IFF_UP = 0x1;
/** struct ifreq: name, 16 bytes; flags or index behind it. */
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;

export type Count = 'carrier_up_count' | 'statistics/rx_packets';

const ifreq = Buffer.alloc(IFREQ_BYTES);

/** @param fd any socket of the network namespace that is asked about */
export function interfaceName(fd: number, ifindex: number): string | null {
  ifreq.writeInt32LE(ifindex, NAME_BYTES);
  return ioctl(fd, SIOCGIFNAME, ifreq) < 0 ? null : ifreq.toString('latin1', 0, ifreq.indexOf(0));
}

/** 0: there is none of this name. */
export function interfaceIndex(fd: number, name: string): number {
  return ask(fd, SIOCGIFINDEX, name) ? ifreq.readInt32LE(NAME_BYTES) : 0;
}

/** Set up by the administrator. */
export function isSetUp(fd: number, name: string): boolean {
  return ask(fd, SIOCGIFFLAGS, name) && (ifreq.readUInt16LE(NAME_BYTES) & IFF_UP) !== 0;
}

/** null: not to be had here. */
export function interfaceCount(name: string, ifindex: number, count: Count): number | null {
  return numberIn(`/sys/class/net/${name}/ifindex`) === ifindex ? numberIn(`/sys/class/net/${name}/${count}`) : null;
}

function ask(fd: number, request: number, name: string): boolean {
  ifreq.fill(0);
  ifreq.write(name, 0, NAME_BYTES - 1, 'latin1');
  return ioctl(fd, request, ifreq) >= 0;
}

function numberIn(path: string): number | null {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    // Gone meanwhile, or no sysfs here: the caller has another way.
    return null;
  }
}
