/** What the service manager is told, read from a socket as systemd's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../../src/abi/libc.ts';
import { Notifier, type Supervision } from '../../src/agent/notify.ts';
import { Service } from '../../src/agent/supervised.ts';
import { ManualClock } from '../../src/base/clock.ts';

let folder: string;
let manager: Manager;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'havip-notify-'));
  manager = new Manager(join(folder, 'notify'));
});

afterEach(() => {
  manager.close();
  rmSync(folder, { recursive: true });
});

/** The other end of NOTIFY_SOCKET. */
class Manager {
  readonly #fd = libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK, 0);

  constructor(path: string) {
    const family = Buffer.alloc(2);
    family.writeUInt16LE(libc.AF_UNIX);
    libc.bind(this.#fd, Buffer.concat([family, Buffer.from(path)]));
  }

  /** What came since it was last read, a datagram each. */
  read(): string[] {
    const said: string[] = [];
    const bytes = Buffer.alloc(4096);
    for (let n = libc.recv(this.#fd, bytes); n >= 0; n = libc.recv(this.#fd, bytes)) said.push(bytes.toString('utf8', 0, n));
    return said;
  }

  close(): void {
    libc.close(this.#fd);
  }
}

const fed = (said: readonly string[]) => said.filter((line) => line === 'WATCHDOG=1').length;

/** An agent of which only health and time can be seen. */
function service({ watchdogUs = 10e6 }: Partial<Supervision> = {}) {
  const clock = new ManualClock();
  const state = { turning: true, trouble: null as string | null, bound: 3, contested: 0 };
  const health = { isTurning: () => state.turning, notReady: () => state.trouble };
  const made = new Service(
    { clock, health, ledger: { bindingsByState: () => state } },
    { socket: join(folder, 'notify'), watchdogUs },
  );
  /** Beats for so long; what was said. */
  const beats = (ms: number) => {
    for (let done = 0; done < ms; done += 250) {
      clock.advanceMs(250);
      made.beat();
    }
    return manager.read();
  };
  return { clock, state, made, beats };
}

describe('the notifier', () => {
  it('tells a path and an abstract name', () => {
    const name = `havip test ${process.pid}`;
    const abstract = new Manager(`\0${name}`);
    for (const [address, at] of [
      [join(folder, 'notify'), manager],
      [`@${name}`, abstract],
    ] as const) {
      const notifier = new Notifier(address);
      expect(notifier.tell('READY=1', 'STATUS=3 bound')).toBe(true);
      expect(at.read()).toEqual(['READY=1\nSTATUS=3 bound']);
      notifier.close();
    }
    abstract.close();
  });

  it('says what was not taken, and waits for nobody who does not read', () => {
    const notifier = new Notifier(join(folder, 'notify'));
    let taken = 0;
    while (taken < 100_000 && notifier.tell('WATCHDOG=1')) taken++;
    expect(taken).toBeLessThan(100_000);
    expect(manager.read().length).toBe(taken);
    expect(notifier.tell('WATCHDOG=1')).toBe(true);
    notifier.close();
    expect(new Notifier(join(folder, 'nobody')).tell('READY=1')).toBe(false);
  });

  it.each([null, '', '@', 'relative', `/${'x'.repeat(108)}`])('tells nobody at %j', (address) => {
    const notifier = new Notifier(address);
    expect(notifier.tell('READY=1')).toBe(true);
    notifier.close();
  });
});

describe('the service', () => {
  it('is ready when the agent is, and says so once', () => {
    const { beats, state, made } = service();
    state.trouble = 'workers are starting';
    expect(beats(1000)).toEqual(['STATUS=NOT READY: workers are starting; 3 bound, 0 contested', 'WATCHDOG=1']);
    state.trouble = null;
    expect(beats(1000)).toEqual(['STATUS=3 bound, 0 contested', 'READY=1']);
    state.contested = 1;
    expect(beats(500)).toEqual(['STATUS=3 bound, 1 contested']);
    made.stopping();
    expect(manager.read()).toEqual(['STOPPING=1\nSTATUS=stopping; the virtual switch stays as it is']);
  });

  it('runs on with a switch in trouble, and says why it is not ready', () => {
    const { beats, state, made } = service({ watchdogUs: null });
    state.trouble = 'virtual switch: busy\nnow';
    expect(beats(20_000)).toEqual(['STATUS=NOT READY: virtual switch: busy now; 3 bound, 0 contested']);
    expect(beats(1000)).toEqual(['READY=1']);
    made.stopping();
  });

  it('feeds the watchdog four times in its time, and only while loop and workers turn', () => {
    const { beats, state, made } = service({ watchdogUs: 10e6 });
    expect(fed(beats(10_000))).toBe(4);
    state.turning = false;
    expect(fed(beats(30_000))).toBe(0);
    state.turning = true;
    expect(fed(beats(250))).toBe(1);
    made.stopping();
  });

  it('lets a reload be waited for, and two that overlap be one', async () => {
    const { beats, made, clock } = service();
    beats(250);
    const ends: (() => void)[] = [];
    const reload = () => new Promise<void>((resolve) => ends.push(resolve));
    const both = [made.during(reload()), made.during(reload())];
    expect(manager.read()).toEqual([`RELOADING=1\nMONOTONIC_USEC=${clock.nowNs() / 1e3}`]);
    ends[0]?.();
    await both[0];
    expect(manager.read()).toEqual([]);
    ends[1]?.();
    await both[1];
    expect(manager.read()).toEqual(['READY=1']);
    made.stopping();
  });

  it('is ready again after a reload that failed by a defect', async () => {
    const { made } = service();
    await expect(made.during(Promise.reject(new Error('a defect')))).rejects.toThrow('a defect');
    expect(manager.read().at(-1)).toBe('READY=1');
    made.stopping();
  });
});
