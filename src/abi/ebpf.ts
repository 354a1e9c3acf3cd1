/**
 * eBPF through bpf(2): an array map that user space reads by memory, and socket filter programs, written as instructions here
 * because no compiler runs on a hypervisor. Kernel Documentation/bpf/standardization/instruction-set.rst; include/uapi/linux/bpf.h.
 */
import { addressOf, viewMemory } from './native.ts';
import { bpf, close, mmap, munmap } from './libc.ts';

const BPF_MAP_CREATE = 0;
const BPF_PROG_LOAD = 5;
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_F_MMAPABLE = 1 << 10;
const BPF_PROG_TYPE_SOCKET_FILTER = 1;
const PAGE_BYTES = 4096;

/** An array of values in kernel memory, mapped: what a program counts is read without a system call. */
export class ArrayMap {
  readonly fd: number;
  /** The values, `valueBytes` each; valid until close(). */
  readonly words: BigUint64Array;
  readonly #address: bigint;
  readonly #length: number;

  constructor(valueBytes: number, entries: number) {
    const attributes = Buffer.alloc(72);
    for (const [i, word] of [BPF_MAP_TYPE_ARRAY, 4, valueBytes, entries, BPF_F_MMAPABLE].entries())
      attributes.writeUInt32LE(word, i * 4);
    this.fd = bpf(BPF_MAP_CREATE, attributes);
    this.#length = Math.ceil((valueBytes * entries) / PAGE_BYTES) * PAGE_BYTES;
    this.#address = mmap(this.fd, this.#length);
    this.words = new BigUint64Array(viewMemory(this.#address, this.#length), 0, (valueBytes * entries) / 8);
  }

  close(): void {
    munmap(this.#address, this.#length);
    close(this.fd);
  }
}

/** One instruction: opcode, registers, offset, immediate. */
export type Instruction = readonly [opcode: number, destination: number, source: number, offset: number, immediate: number];

/** Loads a program for SO_ATTACH_BPF and returns its descriptor. Throws SystemError; EACCES and EINVAL are the verifier's. */
export function loadSocketFilter(program: readonly Instruction[]): number {
  const instructions = Buffer.alloc(program.length * 8);
  for (const [i, [opcode, destination, source, offset, immediate]] of program.entries()) {
    instructions.writeUInt8(opcode, i * 8);
    instructions.writeUInt8(destination | (source << 4), i * 8 + 1);
    instructions.writeInt16LE(offset, i * 8 + 2);
    instructions.writeInt32LE(immediate | 0, i * 8 + 4);
  }
  const license = Buffer.from('Apache-2.0\0');
  const attributes = Buffer.alloc(128);
  attributes.writeUInt32LE(BPF_PROG_TYPE_SOCKET_FILTER, 0);
  attributes.writeUInt32LE(program.length, 4);
  attributes.writeBigUInt64LE(addressOf(instructions), 8);
  attributes.writeBigUInt64LE(addressOf(license), 16);
  return bpf(BPF_PROG_LOAD, attributes);
}
