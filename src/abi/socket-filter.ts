/** Classic BPF on a socket (kernel Documentation/networking/filter.rst). Any thread. */
import * as libc from './libc.ts';
import { addressOf } from './native.ts';

/** `struct sock_filter`. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The instructions as `struct sock_filter[]`. */
export function encodeBpf(program: readonly BpfInstruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(jt, i * 8 + 2);
    bytes.writeUInt8(jf, i * 8 + 3);
    bytes.writeUInt32LE(k, i * 8 + 4);
  }
  return bytes;
}

/** The socket hands over what the program returns more than 0 for, of what comes from now on. */
export function attachFilter(fd: number, program: readonly BpfInstruction[]): void {
  const instructions = encodeBpf(program);
  const fprog = Buffer.alloc(16); // struct sock_fprog: length u16, padding, pointer
  fprog.writeUInt16LE(program.length, 0);
  fprog.writeBigUInt64LE(addressOf(instructions), 8);
  libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_ATTACH_FILTER, fprog);
  if (instructions.length === 0) throw new RangeError('a filter has at least one instruction'); // and is referenced until here
}
