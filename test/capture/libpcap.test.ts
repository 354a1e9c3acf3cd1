import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../../src/abi/libc.ts';
import { SNAP_BYTES } from '../../src/base/snap.ts';
import { LibpcapSource } from '../../src/capture/libpcap/libpcap.ts';
import { Collector } from './collector.ts';
import { CLASSES, numberedArp } from './frames.ts';
import { enterNewNamespace, FrameSender, ip, vethPair } from './netns.ts';

const ROOT = process.getuid?.() === 0;
/** `npm test` compiles before it tests. */
const CHILD_FILE = fileURLToPath(new URL('../../dist/src/capture/libpcap/child.js', import.meta.url));

const PATIENCE_MS = 10_000;
const HELLO = numberedArp(0xffff_ffff);

describe.skipIf(!ROOT)('LibpcapSource on the real kernel (needs root: libpcap and a network namespace)', () => {
  let leave: () => void;
  let source: LibpcapSource;
  let seen: Collector;
  let sender: FrameSender;
  const troubles: string[] = [];

  beforeAll(() => {
    leave = enterNewNamespace();
  });
  afterAll(() => leave());
  beforeEach(() => {
    vethPair('va', 'ga');
    sender = new FrameSender('ga');
    source = new LibpcapSource({ childFile: CHILD_FILE, onTrouble: (_port, message) => troubles.push(message) });
    seen = new Collector(source);
  });
  afterEach(() => {
    source.close();
    sender.close();
    troubles.length = 0;
    for (const name of ['va', 'lo1']) if (libc.ifNametoindex(name) > 0) ip(`link del ${name}`);
    expect(children()).toEqual([]);
  });

  /** Sends until the child, which takes a while to start, has seen one; what was sent before is lost. */
  function untilCapturing(): void {
    const before = seen.frames.length;
    const deadline = performance.now() + PATIENCE_MS;
    for (seen.drain(); seen.frames.length === before; seen.drain()) {
      if (performance.now() > deadline) throw new Error(`no frame; troubles: ${troubles.join(', ')}`);
      sender.send(HELLO);
      source.wait(10);
    }
  }

  it('hands over what the expression passes, tags left in the frame', () => {
    source.attach(3, 'va');
    untilCapturing();
    for (const { bytes } of CLASSES) sender.send(bytes);
    const end = numberedArp(4711);
    sender.send(end);
    seen.until(() => seen.frames.some((got) => got.bytes.equals(end)));
    const got = seen.frames.filter((row) => !row.bytes.equals(HELLO));
    const expected = CLASSES.filter((row) => row.pass);
    for (const [i, { bytes, name }] of expected.entries()) {
      expect(got[i]?.bytes.equals(bytes.subarray(0, SNAP_BYTES)), name).toBe(true);
      expect(got[i], name).toMatchObject({ port: 3, tag: 0, length: bytes.length });
    }
    expect(got.length).toBe(expected.length + 1);
    expect(seen.frames.every((row) => Math.abs(row.seconds - Date.now() / 1000) < 60 && row.nanoseconds < 1e9)).toBe(true);
  });

  it('captures again after the interface went down, and after it was deleted and created again', () => {
    source.attach(0, 'va');
    untilCapturing();
    ip('link set va down');
    seen.until(() => seen.changes.at(-1) === '0 down');
    ip('link set va up');
    untilCapturing();
    ip('link del va');
    seen.until(() => seen.changes.at(-1) === '0 absent');
    sender.close();
    vethPair('va', 'ga');
    sender = new FrameSender('ga');
    untilCapturing();
    expect(troubles).toEqual([]);
  });

  it('starts a child again that died by itself', () => {
    source.attach(0, 'va');
    untilCapturing();
    for (const child of children()) process.kill(child, 'SIGKILL');
    untilCapturing();
    expect(source.drops(0)).toBe(0);
  });

  it('keeps to the budget and counts what a child could not hand over', () => {
    source.attach(0, 'va');
    untilCapturing();
    let sent = 0;
    const sendMany = (count: number) => {
      for (let i = 0; i < count; i++) sender.send(numberedArp(++sent));
    };
    sendMany(20);
    const deadline = performance.now() + PATIENCE_MS;
    while (seen.frames.at(-1)?.bytes.readUInt32BE(44) !== sent) {
      expect(performance.now()).toBeLessThan(deadline);
      source.wait(PATIENCE_MS);
      expect(seen.drain(2)).toBeLessThanOrEqual(2);
    }
    sendMany(20_000); // nobody reads meanwhile
    seen.until(() => {
      if (source.drops(0) > 0) return true;
      sendMany(1);
      return false;
    });
  });

  it('says in a line why it cannot capture, and keeps the rest going', () => {
    source.close();
    source = new LibpcapSource({ childFile: '/nonexistent/child.js', onTrouble: (_port, message) => troubles.push(message) });
    seen = new Collector(source);
    source.attach(0, 'va');
    seen.until(() => troubles.length > 0);
    expect(troubles).toEqual(['va: its libpcap process ended']);
  });
});

/** Child processes of this one, zombies included. */
function children(): number[] {
  const tasks = readdirSync('/proc/self/task');
  return tasks.flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
}
