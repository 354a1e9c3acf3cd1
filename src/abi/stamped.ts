/** Datagrams with the kernel's time of their arrival (socket(7), SO_TIMESTAMPNS; cmsg(3)). Any thread. */
import { EINTR, SOL_SOCKET } from './libc.ts';
import { addressOf, errno, openLibrary } from './native.ts';

const MSG_DONTWAIT = 0x40;
const SCM_TIMESTAMPNS = 35;
/** struct msghdr, iovec and cmsghdr on 64-bit machines: name, its length, vector, its length, control, its length, flags. */
const MSGHDR_BYTES = 56;
const IOVEC_AT = 16;
const IOVLEN_AT = 24;
const CONTROL_AT = 32;
const CONTROLLEN_AT = 40;
const CMSGHDR_BYTES = 16;
const CONTROL_BYTES = 64;

const recvmsg = openLibrary('libc.so.6').bind<(fd: number, message: Buffer, flags: number) => number>(
  'int64_t recvmsg(int fd, void *message, int flags)',
);

const message = Buffer.alloc(MSGHDR_BYTES);
const vector = Buffer.alloc(16);
const control = Buffer.alloc(CONTROL_BYTES);
message.writeBigUInt64LE(addressOf(vector), IOVEC_AT);
message.writeBigUInt64LE(1n, IOVLEN_AT);
message.writeBigUInt64LE(addressOf(control), CONTROL_AT);

/** The length, or the negative error number; and the wall clock at its arrival, null where the kernel did not say. Never waits. */
export function receiveStamped(fd: number, to: Buffer): { readonly length: number; readonly wallNs: number | null } {
  vector.writeBigUInt64LE(addressOf(to), 0);
  vector.writeBigUInt64LE(BigInt(to.length), 8);
  for (;;) {
    message.writeBigUInt64LE(BigInt(CONTROL_BYTES), CONTROLLEN_AT);
    const length = recvmsg(fd, message, MSG_DONTWAIT);
    if (length >= 0) return { length, wallNs: stampIn(Number(message.readBigUInt64LE(CONTROLLEN_AT))) };
    if (errno() !== EINTR) return { length: -errno(), wallNs: null };
  }
}

/** struct cmsghdr: length u64 | level i32 | type i32, then the data: struct timespec. */
function stampIn(length: number): number | null {
  if (length < CMSGHDR_BYTES + 16) return null;
  if (control.readInt32LE(8) !== SOL_SOCKET || control.readInt32LE(12) !== SCM_TIMESTAMPNS) return null;
  return Number(control.readBigInt64LE(16)) * 1e9 + Number(control.readBigInt64LE(24));
}
