/** Who is at the other end of a unix socket, by the kernel's word as of connect(2): unix(7), SO_PEERCRED; SO_PEERGROUPS of Linux 4.13. */
import type { Socket } from 'node:net';
import { getsockopt, SO_PEERCRED, SO_PEERGROUPS, SOL_SOCKET } from '../abi/libc.ts';
import { groupNumber } from '../base/user.ts';

export interface Caller {
  readonly pid: number;
  readonly uid: number;
  readonly groups: readonly number[];
}

/** The kernel's NGROUPS_MAX. */
const GROUPS_MOST = 65_536;

/** null: no unix socket, or it is closed. Ask before its other end may have left: the descriptor is the socket's as long as that is open. */
export function callerOf(socket: Socket): Caller | null {
  const fd = descriptorOf(socket);
  if (socket.destroyed || socket.remoteAddress !== undefined || fd === null) return null;
  const credentials = new Int32Array(3); // struct ucred: pid, uid, gid
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials);
  const [pid = 0, uid = -1, gid = -1] = credentials;
  const groups = new Uint32Array(GROUPS_MOST);
  const bytes = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups);
  return { pid, uid, groups: [gid, ...groups.subarray(0, bytes / 4)] };
}

/** Root, and members of the group, whether it is their first. */
export function mayWrite({ uid, groups }: Caller, group: string): boolean {
  if (uid === 0) return true;
  const number = groupNumber(group);
  return number !== null && groups.includes(number);
}

/** Node keeps it in a field that it does not document: the only way from a server's connection to its descriptor. */
function descriptorOf(socket: Socket): number | null {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : null;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}
