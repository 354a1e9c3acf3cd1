/** The whole hot half on the real kernel: worker threads, rings made on the main thread, counts that add up. */
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import { V, VERDICTS } from '../../src/base/verdict.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { newHeld } from '../../src/filter/held.ts';
import { KERNEL_DROPS } from '../../src/lane/lane.ts';
import { Workers } from '../../src/worker/crew.ts';
import { seedNetwork } from '../network.ts';
import { CLASSES } from '../capture/frames.ts';
import { enterNewNamespace, FrameSender, ipBatch, receivedBy } from '../capture/netns.ts';

const ROOT = process.getuid?.() === 0;
const EACH = 2000;
const POLL = { timeout: 10_000, interval: 20 };

const ignore = () => undefined;
const sum = (counts: ArrayLike<number>) => Array.from(counts).reduce((total, count) => total + count, 0);

describe.skipIf(!ROOT)('Workers on the real kernel (needs root: a network namespace, eBPF)', () => {
  let leave: () => void;
  beforeAll(() => {
    leave = enterNewNamespace();
  });
  afterAll(() => leave());

  it('received = judged + ring drops + policed, by port and in all, whatever a guest sends at full speed', async () => {
    const ports = seedNetwork.ports.filter((port) => port !== null);
    ipBatch(
      ports.flatMap(({ interface: name }) => [
        `link add ${name} type veth peer name g${name}`,
        `link set g${name} up`,
        `link set ${name} up`,
      ]),
    );
    const descriptors = readdirSync('/proc/self/fd').length;
    const workers = new Workers({ count: 2, source: 'ring', ringKib: 64, onTrouble: ({ message }) => expect(message).toBe('') });
    expect(workers.notes).toEqual([]);
    workers.setPolicy(compilePolicy(seedNetwork, 1), newHeld(seedNetwork), null);
    workers.follow(seedNetwork);
    const up = new Set<number>();
    await expect
      .poll(() => {
        for (const reader of workers.readers) reader.drain(ignore, ({ port }) => up.add(port), Infinity);
        return up.size;
      }, POLL)
      .toBe(ports.length);

    const flooded = ports[0]!;
    const sender = new FrameSender(`g${flooded.interface}`);
    const passing = CLASSES.filter(({ pass }) => pass);
    for (const { bytes } of passing) for (let i = 0; i < EACH; i++) sender.send(bytes);
    sender.close();
    const received = receivedBy(flooded.interface);
    expect(received).toBeGreaterThan(passing.length);
    await expect.poll(() => sum(workers.framesByProtocol()) + (workers.tallies()[KERNEL_DROPS] ?? 0), POLL).toBe(received);
    expect(sum(workers.verdicts())).toBe(sum(workers.framesByProtocol()));
    expect(Array.from(workers.verdictsOf(flooded.index))).toEqual(workers.verdicts());
    expect(workers.verdicts()[V['rate-limited']]).toBeGreaterThan(received / 2);
    for (const { index } of ports.slice(1)) expect(sum(workers.verdictsOf(index))).toBe(0);
    expect(workers.verdicts().length).toBe(VERDICTS.length);

    const oldest = () => Math.max(...workers.turnAgesNs()) / 1e9;
    expect(workers.turnAgesNs()).toHaveLength(2);
    // Idle workers turn as well.
    for (let look = 0; look < 10; look++, await setTimeout(200)) expect(oldest()).toBeLessThan(2);
    await workers.stop();
    await expect.poll(oldest, POLL).toBeGreaterThan(2);
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(descriptors);
  });
});
