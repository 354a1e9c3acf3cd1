/**
 * The one door to koffi. Every call made through it is synchronous and runs on the calling thread; workers use no other kind,
 * because a terminated worker never settles an asynchronous one.
 */
import koffi from 'koffi';

/** A C function behind koffi. Pointers are Buffers, typed arrays, or addresses as bigint. */
export type NativeFunction = (...args: never[]) => unknown;

/** Opens a shared library by file name; throws with the loader's own words when it is missing. */
export function openLibrary(file: string): { bind<F extends NativeFunction>(prototype: string): F } {
  const library = koffi.load(file);
  return { bind: <F extends NativeFunction>(prototype: string) => library.func(prototype) as unknown as F };
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
  return koffi.address(buffer as never) as bigint;
}
