import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinMac } from '../../src/base/mac.ts';
import { V } from '../../src/base/verdict.ts';
import { decodeFrame } from '../../src/decode/frame.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { ClaimBudget } from '../../src/lane/budget.ts';
import type { Claim, LinkChange } from '../../src/lane/claim.ts';
import { Lane, RING_FULL, URGENT_SLOTS } from '../../src/lane/lane.ts';
import { LaneReader, readClaim } from '../../src/lane/reader.ts';
import { ADVERT, ANNOUNCE, type ClaimSink, RESIGN } from '../../src/lane/slot.ts';
import { ClaimTape } from '../../src/lane/tape.ts';
import { pushClaim, pushLink } from '../../src/lane/writer.ts';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import { MAC1 } from '../network.ts';

function lanePair() {
  const written = new Lane();
  const reader = new LaneReader(new Lane(written.memory));
  const drain = (most = Infinity) => {
    const got: (Claim | LinkChange)[] = [];
    reader.drain(
      (claim) => got.push(claim),
      (change) => got.push(change),
      most,
    );
    return got;
  };
  return { lane: written, reader, drain };
}

function push(lane: Lane, frame: Uint8Array, kind: number, capturedNs: number, ring: ClaimSink = lane.urgent): boolean {
  const sighting = new Sighting();
  decodeFrame(frame, 0, frame.length, 0, sighting);
  return pushClaim(lane.tallies, ring, kind, V['havip-claim'], 3, 9, capturedNs, sighting, frame, 0, frame.length);
}

const announcement = arp({
  source: MAC1,
  senderMac: '00:00:5e:00:01:33',
  senderAddress: '172.17.16.3',
});

describe('lane', () => {
  it('carries a claim as it was written', () => {
    const { lane, drain } = lanePair();
    expect(push(lane, announcement, ANNOUNCE, 1.5e15)).toBe(true);
    expect(drain()).toEqual([
      {
        kind: 'announce',
        verdict: V['havip-claim'],
        port: 3,
        havip: 9,
        mac: joinMac(0, 0x5e00_0133),
        capturedNs: 1.5e15,
        vrrp: null,
        frame: announcement,
      },
    ]);
    expect(drain()).toEqual([]);
  });

  it('carries what an advert says, without the password', () => {
    const { lane, drain } = lanePair();
    const frame = vrrp({
      source: MAC1,
      ipSource: '172.17.16.7',
      ipDestination: '172.17.16.13',
      addresses: ['172.17.16.3'],
      priority: 80,
      password: '1111',
    });
    push(lane, frame, ADVERT, 5, lane.routine);
    const [claim] = drain() as [Claim];
    expect(claim.vrrp).toEqual({
      version: 2,
      vrid: 51,
      priority: 80,
      intervalMs: 1000,
      auth: 'pass',
      checksum: 'v2',
      unicast: true,
      source: 0xac11_1007,
      destination: 0xac11_100d,
    });
    expect(Buffer.from(claim.frame).includes('1111')).toBe(false);
    const blanked = vrrp({
      source: MAC1,
      ipSource: '172.17.16.7',
      ipDestination: '172.17.16.13',
      addresses: ['172.17.16.3'],
      priority: 80,
      authType: 1,
    });
    expect(claim.frame).toEqual(blanked);
    expect(claim.rawFrame).toEqual(frame);
  });

  it('keeps only the IP header of VRRP that could not be read: a password may be anywhere in it', () => {
    const { lane, drain } = lanePair();
    push(
      lane,
      vrrp({
        source: MAC1,
        ipSource: '172.17.16.7',
        addresses: ['172.17.16.3'],
        password: '1111',
        count: 9,
      }),
      ADVERT,
      5,
    );
    const [claim] = drain() as [Claim];
    expect(claim.frame.length).toBe(34);
    expect(claim.vrrp).toBeNull();
  });

  it('hands over both rings in order of capture', () => {
    const { lane, drain } = lanePair();
    push(lane, announcement, ANNOUNCE, 30);
    push(lane, announcement, RESIGN, 40);
    push(lane, announcement, ADVERT, 10, lane.routine);
    push(lane, announcement, ADVERT, 35, lane.routine);
    pushLink(lane, 7, 2, 11, 3, 50);
    const got = drain();
    expect(got.map((one) => ('capturedNs' in one ? one.capturedNs : one))).toEqual([
      10,
      30,
      35,
      40,
      { port: 7, state: 'up', ifindex: 11, carriers: 3, atNs: 50 },
    ]);
  });

  it('refuses and counts what a full ring cannot take, and goes on', () => {
    const { lane, drain } = lanePair();
    for (let i = 0; i < URGENT_SLOTS; i++) expect(push(lane, announcement, ANNOUNCE, i)).toBe(true);
    expect(push(lane, announcement, ANNOUNCE, 0)).toBe(false);
    expect(pushLink(lane, 0, 0, 0, 0, 0)).toBe(false);
    expect(lane.tallies[RING_FULL]).toBe(1);
    expect(push(lane, announcement, ADVERT, 0, lane.routine)).toBe(true);
    expect(drain().length).toBe(URGENT_SLOTS + 1);
    expect(push(lane, announcement, ANNOUNCE, 0)).toBe(true);
    expect(drain().length).toBe(1);
  });

  it('wakes the reader, also when the bell rang before it waited', async () => {
    const { lane, reader, drain } = lanePair();
    const waiting = reader.wait();
    push(lane, announcement, ANNOUNCE, 1);
    lane.ringDoorbell();
    await waiting;
    expect(drain().length).toBe(1);
    push(lane, announcement, ANNOUNCE, 2);
    lane.ringDoorbell();
    await reader.wait();
    expect(drain().length).toBe(1);
  });

  it('hands over a part at a time; what is left needs no bell, but lets others have their turn', async () => {
    const { lane, reader, drain } = lanePair();
    for (let i = 0; i < 5; i++) push(lane, announcement, ANNOUNCE, i);
    lane.ringDoorbell();
    expect(drain(3).length).toBe(3);
    let others = false;
    setImmediate(() => (others = true));
    await reader.wait();
    expect(others).toBe(true);
    expect(drain(3).length).toBe(2);
  });

  it('shares the stop flag and the generation of the policy', () => {
    const lane = new Lane();
    const other = new Lane(lane.memory);
    expect(other.stopped).toBe(false);
    lane.stop();
    other.policyGeneration = 4;
    other.commandDone();
    expect([other.stopped, lane.policyGeneration, lane.commandsDone]).toEqual([true, 4, 1]);
  });
});

/** As read from a ring, one by one. */
function throughRing(frame: Uint8Array, kind: number, capturedNs: number): Claim {
  const { lane, drain } = lanePair();
  push(lane, frame, kind, capturedNs);
  return drain()[0] as Claim;
}

function readAll(tape: ClaimTape): Claim[] {
  const claims: Claim[] = [];
  for (let slot = 0; slot < tape.bytes.length; slot = tape.after(slot)) claims.push(readClaim(tape, slot));
  return claims;
}

describe('tape', () => {
  const advert = vrrp({ source: MAC1, ipSource: '172.17.16.7', addresses: ['172.17.16.3'], priority: 80, password: '1111' });
  const long = new Uint8Array(600).fill(7);
  long.set(announcement);

  it('gives back what a ring gives, in order, however much was written', () => {
    const { lane } = lanePair();
    const tape = new ClaimTape();
    const kinds = [
      [announcement, ANNOUNCE],
      [advert, ADVERT],
      [long, ANNOUNCE],
    ] as const;
    const written = Array.from({ length: 900 }, (_, i) => kinds[i % 3]!);
    for (const [i, [frame, kind]] of written.entries()) push(lane, frame, kind, i, tape);
    const claims = readAll(new ClaimTape(tape.cut()));
    const expected = kinds.map(([frame, kind]) => throughRing(frame, kind, 0));
    for (const [i, claim] of claims.entries()) expect(claim).toEqual(Object.assign(expected[i % 3]!, { capturedNs: i }));
    expect(claims).toHaveLength(written.length);
  });

  it('is blank after a cut', () => {
    const { lane } = lanePair();
    const tape = new ClaimTape();
    push(lane, long, ANNOUNCE, 1, tape);
    expect(readAll(new ClaimTape(tape.cut()))).toHaveLength(1);
    expect(tape.cut().byteLength).toBe(0);
    push(lane, advert, ADVERT, 2, tape);
    expect(readAll(new ClaimTape(tape.cut()))).toEqual([throughRing(advert, ADVERT, 2)]);
  });
});

describe('claim budget', () => {
  it('refuses, when it starts full, only what it would refuse whatever was said before', () => {
    // Few keys of few ports, some of which share a slot of the table.
    const word = fc.record({
      port: fc.nat(3),
      havip: fc.nat(40),
      waitNs: fc.oneof(fc.constant(0), fc.integer({ min: -30e6, max: 120e6 })),
    });
    const words = fc.array(word, { maxLength: 400 });
    fc.assert(
      fc.property(words, words, (before, after) => {
        const used = new ClaimBudget(20, 3);
        const full = new ClaimBudget(20, 3);
        const filtered = new ClaimBudget(20, 3);
        let nowNs = 5e9;
        const next = (waitNs: number) => (nowNs = Math.max(nowNs, nowNs + waitNs));
        for (const { port, havip, waitNs } of before) {
          next(waitNs);
          expect(filtered.take(port, havip, 0, nowNs)).toBe(used.take(port, havip, 0, nowNs));
        }
        for (const { port, havip, waitNs } of after) {
          next(waitNs);
          const alone = used.take(port, havip, 0, nowNs);
          // What the full one refuses is not even shown to the other.
          expect(full.take(port, havip, 0, nowNs) && filtered.take(port, havip, 0, nowNs)).toBe(alone);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('lets a burst through, then so many a second, for each port and HAVIP on its own', () => {
    const budget = new ClaimBudget(20, 16);
    const taken = (port: number, havip: number, ns: number) =>
      Array.from({ length: 100 }, () => budget.take(port, havip, 0, ns)).filter(Boolean).length;
    expect(taken(1, 1, 1e9)).toBe(16);
    expect(taken(1, 1, 1e9)).toBe(0);
    expect(taken(2, 1, 1e9)).toBe(16);
    expect(taken(1, 2, 1e9)).toBe(16);
    expect(taken(1, 1, 1.5e9)).toBe(10);
    expect(taken(1, 1, 100e9)).toBe(16);
    expect(taken(1, 1, 99e9)).toBe(0);
  });
});
