/**
 * Wakes the main thread when somebody else made a transaction or an interface changed, rather than have it look a few times a second: after `nft flush ruleset`
 * the guard was away for up to 242 ms. A thread waits for the kernel's announcements (alarm-thread.ts), since node waits for no netlink
 * socket; what was changed, and whether it was ours, is the monitor's to say. Main thread.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../../base/failure.ts';
import { close, eventfd, signalEvent } from '../../abi/libc.ts';

/** Where the thread counts what it heard. */
export type Bell = Int32Array<SharedArrayBuffer>;

export interface AlarmTask {
  readonly bell: Bell;
  /** An eventfd that ends the thread. */
  readonly endFd: number;
  /** The netlink port whose transactions wake nobody: that of our own elements. */
  readonly ownPort: number;
}

const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/src/vswitch/nftables/alarm-thread.js' : './alarm-thread.js',
  import.meta.url,
);
/** Somebody who makes thousands of transactions a second must not have us look at each. */
const REST_MS = 1;

export class Alarm {
  readonly #bell: Bell = new Int32Array(new SharedArrayBuffer(4));
  readonly #endFd = eventfd();
  readonly #thread: Worker;
  #ended = false;

  /**
   * @param onRing called soon after a transaction of somebody else or a change of an interface, once for several that come together
   * @param onTrouble the thread cannot work here; nothing will ring
   */
  constructor(ownPort: number, onRing: () => void, onTrouble: (message: string) => void) {
    const task: AlarmTask = { bell: this.#bell, endFd: this.#endFd, ownPort };
    this.#thread = new Worker(THREAD, { workerData: task });
    this.#thread.unref();
    this.#thread.once('error', (error) => onTrouble(messageOf(error)));
    this.#thread.once('exit', () => close(this.#endFd));
    void this.#listen(onRing);
  }

  close(): void {
    this.#ended = true;
    Atomics.notify(this.#bell, 0);
    signalEvent(this.#endFd);
  }

  async #listen(onRing: () => void): Promise<void> {
    while (!this.#ended) {
      const heard = Atomics.load(this.#bell, 0);
      if (heard === 0) {
        const wait = Atomics.waitAsync(this.#bell, 0, 0);
        if (wait.async) await wait.value;
        continue;
      }
      Atomics.sub(this.#bell, 0, heard);
      onRing();
      await sleep(REST_MS, undefined, { ref: false });
    }
  }
}
