/**
 * The one door to koffi. Every call made through it is synchronous and runs on the calling thread; workers use no other kind,
 * because a terminated worker never settles an asynchronous one.
 *
 * abi/ is all doors to C and to the kernel. Over this one lie libc.ts with the system calls, netlink.ts and rtnetlink.ts with the host's
 * interfaces, addresses and neighbours, epoll.ts, ebpf.ts and spawn.ts; engine.ts is the door to V8.
 */
import { promisify } from 'node:util';
import koffi from 'koffi';

/** A C function behind koffi. Pointers are Buffers, typed arrays, or addresses as bigint. */
export type NativeFunction = (...args: never[]) => unknown;

export interface Library {
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what TypeScript cannot read in the prototype
  bind<F extends NativeFunction>(prototype: string): F;
  /**
   * The same, run by a thread of libuv's pool. The buffers passed stay the call's until it settles. errno() does not tell why it
   * failed: it belongs to the thread.
   */
  bindAsync<F extends NativeFunction>(prototype: string): (...args: Parameters<F>) => Promise<ReturnType<F>>;
}

/** Opens a shared library by file name; throws with the loader's own words when it is missing. */
export function openLibrary(file: string): Library {
  const library = koffi.load(file);
  return {
    bind: (prototype) => library.func(prototype) as never,
    bindAsync: (prototype) => promisify(library.func(prototype).async) as never,
  };
}

/** The error number that the last native call of this thread left behind (man 3 errno). */
export function errno(): number {
  return koffi.errno();
}

/** `ENODEV` for 19, and so on; `errno 19` when the number has no name here. */
export function errnoName(code: number): string {
  for (const [name, value] of Object.entries(koffi.os.errno)) if (value === code) return name;
  return `errno ${code}`;
}

/**
 * Memory that C owns, seen as bytes without a copy. The view dies with the mapping: never touch it after munmap.
 * @param address as returned by mmap
 * @param length bytes
 */
export function viewMemory(address: bigint, length: number): ArrayBuffer {
  return koffi.view(address, length);
}

/** The address of a Buffer or typed array, for C structures that point at other memory. Keep the buffer referenced yourself. */
export function addressOf(buffer: ArrayBufferView): bigint {
  return koffi.address(buffer);
}
