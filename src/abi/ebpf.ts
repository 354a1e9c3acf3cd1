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

/** An array of so many 64-bit values in kernel memory, all 0; returns its descriptor. Throws SystemError (EPERM: needs CAP_BPF). */
export function createArrayMap(entries: number): number {
  const attributes = Buffer.alloc(72);
  for (const [i, word] of [BPF_MAP_TYPE_ARRAY, 4, 8, entries, BPF_F_MMAPABLE].entries()) attributes.writeUInt32LE(word, i * 4);
  return bpf(BPF_MAP_CREATE, attributes);
}

/** An array map in this process's memory: what a program counts is read without a system call. */
export class MappedArray {
  /** Two words a value, the lower first; valid until close(). */
  readonly words: Uint32Array;
  readonly #address: bigint;
  readonly #length: number;

  /** @param fd closed here: the mapping keeps the map */
  constructor(fd: number, entries: number) {
    this.#length = Math.ceil((entries * 8) / PAGE_BYTES) * PAGE_BYTES;
    try {
      this.#address = mmap(fd, this.#length);
    } finally {
      close(fd);
    }
    this.words = new Uint32Array(viewMemory(this.#address, this.#length), 0, entries * 2);
  }

  close(): void {
    munmap(this.#address, this.#length);
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
