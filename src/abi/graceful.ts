/**
 * The system calls that make and free a packet ring, asynchronously. The kernel waits in them for RCU grace periods, 8 to 32 ms, and
 * callers that wait at the same time share one: 1,000 rings take a quarter of a second on 64 threads, and 12 s one after the other.
 * Main thread, on libuv's pool, whose size is UV_THREADPOOL_SIZE (start.cts).
 */
import { openLibrary } from './native.ts';

const library = openLibrary('libc.so.6');
const setsockopt = library.bindAsync<(fd: number, level: number, name: number, value: ArrayBufferView, length: number) => number>(
  'int setsockopt(int fd, int level, int name, void *value, uint32_t length)',
);
const close = library.bindAsync<(fd: number) => number>('int close(int fd)');

/**
 * Calls under way at once. koffi refuses more than 256, and it did: ports of a start are asked for batch by batch, faster than the rings
 * are made.
 */
const TOGETHER_MOST = 128;
let underWay = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(call: () => Promise<T>): Promise<T> {
  if (underWay >= TOGETHER_MOST) await new Promise<void>((resolve) => waiting.push(resolve));
  else underWay++;
  try {
    return await call();
  } finally {
    const next = waiting.shift(); // takes this call's place
    if (next === undefined) underWay--;
    else next();
  }
}

/** False when it failed; called again with libc.setsockopt(), it says why. */
export async function setsockoptLater(fd: number, level: number, name: number, value: ArrayBufferView): Promise<boolean> {
  return (await inTurn(() => setsockopt(fd, level, name, value, value.byteLength))) === 0;
}

/** Linux frees the descriptor in any case. */
export async function closeLater(fd: number): Promise<void> {
  await inTurn(() => close(fd));
}
