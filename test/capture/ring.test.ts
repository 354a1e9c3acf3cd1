import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../../src/abi/libc.ts';
import { MAX_PORTS } from '../../src/base/network.ts';
import { SNAP_BYTES } from '../../src/base/snap.ts';
import { RingSource } from '../../src/capture/ring/ring.ts';
import { decodeFrame } from '../../src/decode/frame.ts';
import { NONE, Sighting } from '../../src/decode/sighting.ts';
import { vrrp } from '../../native-fixtures/frames.ts';
import { Collector } from './collector.ts';
import { CLASSES, numberedArp } from './frames.ts';
import { enterNewNamespace, FrameSender, ip, ipBatch, vethPair } from './netns.ts';

const ROOT = process.getuid?.() === 0;

describe.skipIf(!ROOT)('RingSource on the real kernel (needs root: AF_PACKET and a network namespace)', () => {
  let leave: () => void;
  let source: RingSource;
  let seen: Collector;
  const senders: FrameSender[] = [];

  function senderOn(name: string): FrameSender {
    const sender = new FrameSender(name);
    senders.push(sender);
    return sender;
  }
  function start(options: ConstructorParameters<typeof RingSource>[0] = {}): void {
    source = new RingSource(options);
    seen = new Collector(source);
  }

  beforeAll(() => {
    leave = enterNewNamespace();
  });
  afterAll(() => leave());
  beforeEach(() => {
    vethPair('va', 'ga');
    vethPair('vb', 'gb');
  });
  afterEach(() => {
    source.close();
    for (const sender of senders.splice(0)) sender.close();
    for (const name of ['va', 'vb', 'vc', 'br0', 'renamed']) if (libc.ifNametoindex(name) > 0) ip(`link del ${name}`);
  });

  it('hears of an uplink what bpf.ts says of uplinks, in a sink of its own, and gives no port its ring afterwards', () => {
    start({ policed: true });
    const place = MAX_PORTS + 3;
    source.attach(7, 'va');
    source.attach(place, 'vb');
    const [fromGuest, fromAfar] = [senderOn('ga'), senderOn('gb')];
    for (const { bytes } of CLASSES) fromAfar.send(bytes);
    fromGuest.send(numberedArp(1));
    const places: number[] = [];
    const ports: number[] = [];
    const drain = () =>
      source.drain(
        (_bytes, _offset, _captured, _length, port) => ports.push(port),
        () => {},
        1_000,
        (_bytes, _offset, _captured, _length, port, tag) => {
          expect(tag).toBe(0);
          places.push(port);
        },
      );
    for (const until = performance.now() + 5_000; performance.now() < until && ports.length === 0; drain()) source.wait(100);
    expect(ports).toEqual([7]);
    expect(new Set(places)).toEqual(new Set([place]));
    expect(places.length).toBeGreaterThan(2);
    expect(places.length).toBeLessThan(CLASSES.filter(({ pass }) => pass).length);
    ip('link del vb');
    vethPair('vb', 'gb');
    source.attach(8, 'vc');
    source.detach(place);
    vethPair('vc', 'gc');
    const stranger = senderOn('gc');
    const tagged = CLASSES.find(({ pass, tag }) => pass && tag !== 0);
    for (const until = performance.now() + 5_000; performance.now() < until && !ports.includes(8); drain()) {
      source.wait(50);
      stranger.send(tagged?.bytes ?? numberedArp(2));
    }
    expect(ports).toContain(8);
  });

  it('hands over what the filter passes, with tag, length, and kernel timestamp', () => {
    start();
    source.attach(7, 'va');
    const sender = senderOn('ga');
    const before = libc.clockNs(libc.CLOCK_REALTIME);
    for (const { bytes } of CLASSES) sender.send(bytes);
    const expected = CLASSES.filter((row) => row.pass);
    seen.until(() => seen.frames.length >= expected.length);
    const after = libc.clockNs(libc.CLOCK_REALTIME);
    let last = before - 1_000;
    for (const [i, got] of seen.frames.entries()) {
      const { bytes, tag, name } = expected[i] ?? { bytes: new Uint8Array(), tag: 0, name: 'too many' };
      const untagged = tag === 0 ? bytes : Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16)]);
      expect(got, name).toMatchObject({ port: 7, tag, length: untagged.length, captured: Math.min(SNAP_BYTES, untagged.length) });
      expect(got.bytes.equals(untagged.subarray(0, SNAP_BYTES)), name).toBe(true);
      const capturedNs = got.seconds * 1e9 + got.nanoseconds;
      expect(capturedNs).toBeGreaterThanOrEqual(last);
      last = capturedNs;
    }
    expect(last).toBeLessThanOrEqual(after + 1_000);
    expect(seen.changes).toEqual(['7 up']);
  });

  it('keeps a whole advert of 113 HAVIPs', () => {
    start();
    source.attach(0, 'va');
    const addresses = Array.from({ length: 113 }, (_, i) => `172.17.16.${i + 3}`);
    senderOn('ga').send(vrrp({ source: '02:00:ac:11:10:07', ipSource: '172.17.16.7', addresses, authType: 1, password: '1111' }));
    seen.until(() => seen.frames.length > 0);
    const sighting = new Sighting();
    decodeFrame(seen.frames[0]!.bytes, 0, seen.frames[0]!.captured, 0, sighting);
    expect(sighting).toMatchObject({ addressCount: 113, vrrpFault: NONE });
  });

  it('does not see what this host sends into the port', () => {
    start();
    source.attach(0, 'va');
    senderOn('va').send(numberedArp(1));
    senderOn('ga').send(numberedArp(2));
    seen.until(() => seen.frames.length > 0);
    expect(seen.frames.map((got) => got.bytes.readUInt32BE(44))).toEqual([2]);
  });

  it('loses nothing of a burst larger than the ring as long as it is drained', () => {
    start({ ringKib: 64 });
    source.attach(0, 'va');
    const sender = senderOn('ga');
    for (let i = 0; i < 5_000; i++) {
      sender.send(numberedArp(i));
      if (i % 100 === 99) seen.drain();
    }
    seen.until(() => seen.frames.length >= 5_000);
    expect(seen.frames.every((got, i) => got.bytes.readUInt32BE(44) === i)).toBe(true);
    expect(source.drops(0)).toBe(0);
  });

  it('counts what a full ring drops: received and dropped add up to sent', () => {
    start({ ringKib: 4 });
    source.attach(0, 'va');
    const sender = senderOn('ga');
    let sent = 0;
    for (const burst of [100, 5, 31]) {
      for (let i = 0; i < burst; i++) sender.send(numberedArp(sent++));
      seen.drain();
    }
    expect(seen.frames.length).toBe(7 + 5 + 7);
    expect(source.drops(0)).toBe(sent - seen.frames.length);
    ip('link del ga');
    seen.until(() => seen.changes.includes('0 absent'));
    expect(source.drops(0), 'the count survives its socket').toBe(sent - seen.frames.length);
  });

  it('gives each port its budget, and comes back at once for what is left', () => {
    start();
    source.attach(0, 'va');
    source.attach(1, 'vb');
    const [flood, quiet] = [senderOn('ga'), senderOn('gb')];
    for (let i = 0; i < 300; i++) flood.send(numberedArp(i));
    quiet.send(numberedArp(0));
    source.wait(0);
    expect(seen.drain(16)).toBe(17);
    expect(seen.of(1).length).toBe(1);
    expect(seen.drain(16), 'also without another wait').toBe(16);
    source.wait(60_000);
    expect(seen.drain()).toBe(268);
  });

  it('wakes for frames, and for another thread', () => {
    start();
    source.attach(0, 'va');
    seen.drain();
    libc.signalEvent(source.wakeFd);
    source.wait(60_000);
    expect(seen.drain()).toBe(0);
    senderOn('ga').send(numberedArp(0));
    source.wait(60_000);
    expect(seen.drain()).toBe(1);
  });

  it('is silent, not busy, while an interface is down', () => {
    ip('link set va down');
    start();
    source.attach(0, 'va');
    seen.until(() => seen.changes.length > 0);
    expect(seen.changes).toEqual(['0 down']);
    source.wait(0);
    seen.drain(); // takes the socket's ENETDOWN
    const before = performance.now();
    source.wait(20);
    expect(performance.now() - before).toBeGreaterThanOrEqual(19);
  });

  it('loses no frame between the interface coming up and the news of it', () => {
    start();
    ip('link set va down');
    source.attach(0, 'va');
    ip('link set va up');
    senderOn('ga').send(numberedArp(1));
    seen.until(() => seen.frames.length > 0);
    expect(seen.frames.length).toBe(1);
  });

  it('hands over what a guest sent just before its interface was deleted, then tells of the deletion', () => {
    start();
    source.attach(0, 'va');
    seen.drain();
    senderOn('ga').send(numberedArp(1));
    ip('link del ga');
    const order: string[] = [];
    source.drain(
      () => order.push('frame'),
      (_port, state) => order.push(state),
      10,
    );
    expect(order).toEqual(['frame', 'down', 'absent']);
  });

  it('follows delete, re-creation, renames, and down and up, while another port loses nothing', () => {
    start();
    source.attach(0, 'va');
    source.attach(1, 'vb');
    const other = senderOn('gb');
    let sent = 0;
    const step = (command: string, change: string) => {
      for (let i = 0; i < 50; i++) other.send(numberedArp(sent++));
      ip(command);
      for (let i = 0; i < 50; i++) other.send(numberedArp(sent++));
      seen.until(() => seen.changes.at(-1) === change);
    };
    seen.until(() => seen.changes.length === 2);
    step('link set va down', '0 down');
    step('link set va up', '0 up');
    step('link set ga down', '0 down'); // carrier lost
    step('link set ga up', '0 up');
    step('link set va down', '0 down');
    step('link set va name renamed', '0 absent');
    step('link set renamed name va', '0 down');
    step('link set va up', '0 up');
    step('link del va', '0 absent');
    step('link add va type veth peer name ga', '0 down');
    step('link set va up', '0 down');
    step('link set ga up', '0 up');
    senderOn('ga').send(numberedArp(4711));
    seen.until(() => seen.of(0).length > 0 && seen.of(1).length >= sent);
    expect(seen.of(0).map((got) => got.bytes.readUInt32BE(44))).toEqual([4711]);
    expect(seen.of(1).every((got, i) => got.bytes.readUInt32BE(44) === i)).toBe(true);
    expect(source.drops(1)).toBe(0);
    expect(seen.changes.filter((change) => change.startsWith('1'))).toEqual(['1 up']);
  });

  it('counts drops for each interface that a ring listened to on its own', () => {
    start({ ringKib: 4 });
    source.attach(0, 'va');
    source.attach(1, 'vc');
    const sender = senderOn('ga');
    for (let i = 0; i < 20; i++) sender.send(numberedArp(i));
    ip('link del ga');
    seen.until(() => seen.changes.includes('0 absent'));
    vethPair('vc', 'gc');
    seen.until(() => seen.changes.includes('1 up'));
    senderOn('gc').send(numberedArp(0));
    seen.until(() => seen.of(1).length > 0);
    expect([seen.of(0).length, source.drops(0)]).toEqual([7, 13]);
    expect([seen.of(1).length, source.drops(1)]).toEqual([1, 0]);
  });

  it('does not take an interface that leaves its bridge for a deleted one', () => {
    start();
    ip('link add br0 type bridge');
    ip('link set va master br0');
    source.attach(0, 'va');
    ip('link set va nomaster');
    ip('link del br0');
    ip('link set va down');
    seen.until(() => seen.changes.at(-1) === '0 down');
    expect(seen.changes).toEqual(['0 up', '0 down']);
  });

  it('recovers from lost link events by listing all interfaces', () => {
    start();
    source.attach(0, 'va');
    source.attach(1, 'vc');
    seen.drain();
    // 1 MiB of queued events, then a deletion that no longer fits
    const commands = Array.from({ length: 1_500 }, (_, i) => `link set gb alias ${'x'.repeat(200)}${i}`);
    ipBatch([...commands, 'link del va', 'link add vc type veth peer name gc']);
    seen.until(() => seen.changes.includes('0 absent') && seen.changes.includes('1 down'));
    ip('link del vc');
    seen.until(() => seen.changes.at(-1) === '1 absent');
  });

  it('keeps no descriptor and no mapping of ports that came and went', () => {
    start();
    const cycle = () => {
      source.attach(0, 'va');
      ip('link del va');
      seen.until(() => seen.changes.at(-1) === '0 absent');
      ip('link add va type veth peer name ga');
      seen.until(() => seen.changes.at(-1) === '0 down');
      source.detach(0);
    };
    cycle();
    const [before, mapped] = [descriptors(), mappings()];
    for (let i = 0; i < 10; i++) cycle();
    expect(descriptors()).toBe(before);
    expect(mappings()).toBe(mapped);
    source.close();
    expect(mappings()).toBe(0);
    start();
    expect(descriptors()).toBe(before);
  });
});

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Rings mapped into this process. */
function mappings(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('socket:[')).length;
}
