import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../../src/abi/libc.ts';
import { PROTOCOLS } from '../../src/base/verdict.ts';
import { POLICE_BURST, policeTrouble } from '../../src/capture/ring/police.ts';
import { RingSource } from '../../src/capture/ring/ring.ts';
import { decodeFrame } from '../../src/decode/frame.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { Collector } from './collector.ts';
import { CLASSES, frame } from './frames.ts';
import { enterNewNamespace, FrameSender, ip, receivedBy, vethPair } from './netns.ts';

const ROOT = process.getuid?.() === 0;
const FLOOD = 5_000;

const hex = (byte: number) => byte.toString(16).padStart(2, '0');

function arpFrom(lowByte: number, thirdByte = 16): Uint8Array {
  return frame(`080600010800060400010200ac111007ac11${hex(thirdByte)}${hex(lowByte)}000000000000ac111001`);
}

function vrrp(vrid: number): Uint8Array {
  return frame(`08004500002800010000ff700000ac111007e000001221${hex(vrid)}0a0100010000`);
}

const count = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0);

describe.skipIf(!ROOT)('policing in the kernel (needs root: eBPF and a network namespace)', () => {
  let leave: () => void;
  let source: RingSource;
  let seen: Collector;
  let sender: FrameSender;

  beforeAll(() => {
    leave = enterNewNamespace();
    expect(policeTrouble()).toBeNull();
  });
  afterAll(() => leave());
  beforeEach(() => {
    vethPair('va', 'ga');
    sender = new FrameSender('ga');
    source = new RingSource({ policed: true, ringKib: 512 });
    seen = new Collector(source);
    source.attach(0, 'va');
  });
  afterEach(() => {
    source.close();
    sender.close();
    for (const name of ['va', 'vb']) if (libc.ifNametoindex(name) > 0) ip(`link del ${name}`);
  });

  const policed = () => PROTOCOLS.map((_, protocol) => source.policed(0, protocol));
  function send(bytes: Uint8Array, times = 1): void {
    for (let i = 0; i < times; i++) sender.send(bytes);
  }

  it('lets the same frames through as the classic filter', () => {
    for (const { bytes } of CLASSES) send(bytes);
    const expected = CLASSES.filter((row) => row.pass);
    seen.until(() => seen.frames.length >= expected.length);
    for (const [i, { bytes, tag, name }] of expected.entries()) {
      const untagged = tag === 0 ? bytes : Buffer.concat([bytes.subarray(0, 12), bytes.subarray(16)]);
      expect(seen.frames[i], name).toMatchObject({ tag, length: untagged.length });
    }
    expect(seen.frames.length).toBe(expected.length);
    expect(count(policed())).toBe(0);
  });

  it.each(CLASSES.filter((row) => row.pass))('$name, flooding: received = seen + ring drops + policed', ({ bytes, tag }) => {
    const before = receivedBy('va');
    send(bytes, FLOOD);
    const received = receivedBy('va') - before;
    seen.drain(FLOOD);
    expect(seen.frames.length).toBeGreaterThan(0);
    expect(seen.frames.length + source.drops(0) + count(policed())).toBe(received);
    expect(count(policed())).toBeGreaterThan(received / 2);

    const sighting = new Sighting();
    const { bytes: first, captured } = seen.frames[0]!;
    decodeFrame(first, 0, captured, tag, sighting);
    expect(policed()[sighting.protocol], 'counted as what decode calls it').toBe(count(policed()));
  });

  it.each([
    ['a HAVIP', arpFrom(3), arpFrom(4)],
    ['a HAVIP with the same low byte', arpFrom(3, 16), arpFrom(3, 17)],
    ['a VRID', vrrp(51), vrrp(52)],
    ['probes', arpFrom(0), frame('8035000108000604000302000000000100000000020000000001', 0)],
  ])('the flood of %s does not use up the budget of another', (_name, flood, other) => {
    for (let round = 0; round < 20; round++) {
      send(flood, FLOOD / 20);
      send(other);
    }
    const isOther = (bytes: Uint8Array) => Buffer.from(other).equals(bytes);
    seen.drain(FLOOD);
    expect(source.drops(0)).toBe(0);
    expect(seen.frames.filter(({ bytes }) => isOther(bytes)).length).toBe(20);
    expect(seen.frames.length).toBeGreaterThanOrEqual(POLICE_BURST + 20);
  });

  it('gives the next interface full budgets and counts from 0, and keeps what it counted of the last', () => {
    send(arpFrom(3), FLOOD);
    seen.drain(FLOOD);
    const before = source.policed(0, 1);
    expect(before).toBeGreaterThan(0);
    ip('link del va');
    seen.until(() => seen.changes.at(-1) === '0 absent');
    expect(source.policed(0, 1)).toBe(before);
    source.attach(1, 'vb');
    vethPair('vb', 'gb');
    sender.close();
    sender = new FrameSender('gb');
    seen.until(() => seen.changes.at(-1) === '1 up');
    send(arpFrom(3), 50);
    seen.until(() => seen.of(1).length === 50);
    expect(source.policed(1, 1)).toBe(0);
  });
});

describe.skipIf(!ROOT)('a flooded port and a quiet one (needs root)', () => {
  it('the quiet one’s frames come within one turn, however many the flood has left waiting', () => {
    const leave = enterNewNamespace();
    vethPair('va', 'ga');
    vethPair('vb', 'gb');
    const source = new RingSource({ ringKib: 1024 });
    const seen = new Collector(source);
    source.attach(0, 'va');
    source.attach(1, 'vb');
    seen.drain();
    const [flood, quiet] = [new FrameSender('ga'), new FrameSender('gb')];
    const budget = 64;
    let asked = 0;
    for (let turn = 0; turn < 100; turn++) {
      for (let i = 0; i < 2 * budget; i++) flood.send(arpFrom(3));
      quiet.send(arpFrom(4));
      asked++;
      source.wait(0);
      expect(seen.drain(budget)).toBeLessThanOrEqual(budget + 1);
      expect(seen.of(1).length).toBe(asked);
    }
    expect(seen.of(0).length).toBe(100 * budget);
    for (const one of [flood, quiet, source]) one.close();
    leave();
  });
});
