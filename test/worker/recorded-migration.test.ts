/**
 * A live migration as it was recorded on the new host, heard on the old one: QEMU's RARP and the guest's own announcements come in by the
 * uplink, the old tap goes meanwhile. From the worker's judge to the ledger.
 */
import { describe, expect, it } from 'vitest';
import { capturePath, captures } from '../../native-fixtures/captures/index.ts';
import { must } from '../../src/base/assert.ts';
import { placeOf } from '../../src/base/elsewhere.ts';
import type { Network, Uplink } from '../../src/base/network.ts';
import { V } from '../../src/base/verdict.ts';
import type { FrameSink } from '../../src/capture/source.ts';
import { compileElsewhere } from '../../src/filter/elsewhere.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import { Lane, newPortVerdicts } from '../../src/lane/lane.ts';
import { LaneReader } from '../../src/lane/reader.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { Uplinks } from '../../src/worker/uplinks.ts';
import { CVM1, HAVIP1, seedNetwork } from '../network.ts';
import { readCapture } from '../pcap/read.ts';

const NAME = 'qemu-7.2-live-migration-virtio.pcap';
const uplink: Uplink = { index: 0, interface: 'up0', vpc: 0, trust: 'members', fdb: 'learn', awayClaims: true };
const network: Network = { ...seedNetwork, ports: [must(seedNetwork.ports[CVM1], 'cvm-1')], uplinks: [uplink] };
const isRarp = (bytes: readonly number[]) => bytes[12] === 0x80 && bytes[13] === 0x35;

describe('a recorded live migration', () => {
  it.each([
    ['RARP finds the old tap still there', 100],
    ['the old tap goes before all is said', -5],
  ])('moves the binding to the uplink, once and without a failover: %s', (_, tapGoesMs) => {
    const { frames } = readCapture(
      capturePath(
        must(
          captures.find(({ file }) => file === NAME),
          NAME,
        ),
      ),
    );
    const from = frames.findIndex(({ bytes }) => isRarp(bytes));
    const startNs = must(frames[from]?.atNs, 'a time');
    const lane = new Lane();
    const flags = { pushed: false, changed: false };
    let nowNs = 0;
    const uplinks = new Uplinks(lane, newPortVerdicts(), () => nowNs, flags);
    uplinks.follow(compilePolicy(network), compileElsewhere(network));
    const reader = new LaneReader(lane);
    const ledger = new Ledger({ network, host: 'host-a' });
    const events: string[] = [];
    const told = () => {
      for (const effect of ledger.drain()) if (effect.kind === 'event') events.push(effect.event.kind);
    };
    ledger.link({ port: 0, state: 'up', ifindex: 7, atNs: 0 }, 0);
    const held = {
      verdict: V['havip-claim'],
      port: 0,
      havip: HAVIP1,
      mac: 0x0200_ac11_1007,
      vrrp: null,
      frame: new Uint8Array(0),
    };
    ledger.take({ kind: 'announce', ...held, capturedNs: 1e9 }, 1e9, 1000);
    const before = must(ledger.view(HAVIP1, 1e9), 'a HAVIP');
    let isGone = false;
    for (const { bytes, atNs, length } of frames.slice(from)) {
      nowNs = 10e9 + Number(must(atNs, 'a time') - startNs);
      if (!isGone && nowNs >= 10e9 + tapGoesMs * 1e6) {
        ledger.link({ port: 0, state: 'absent', ifindex: 0, atNs: 10e9 + tapGoesMs * 1e6 }, 0);
        isGone = true;
      }
      const onFrame: FrameSink = uplinks.onFrame;
      onFrame(Uint8Array.from(bytes), 0, bytes.length, length, placeOf(uplink), 0, 0, 0);
      reader.drain(
        (claim) => ledger.take(claim, nowNs, nowNs / 1e6),
        () => {},
        Infinity,
      );
      told();
    }
    ledger.tick(nowNs + 60e9, nowNs / 1e6 + 60_000);
    told();
    const after = must(ledger.view(HAVIP1, nowNs), 'a HAVIP');
    expect(after).toMatchObject({
      holder: { instance: 'cvm-1', interface: 'up0' },
      failovers: 0,
      epoch: before.epoch,
      since: before.since,
    });
    expect(events.filter((kind) => kind === 'migration')).toHaveLength(1);
    expect(events.filter((kind) => kind === 'unbound' || kind === 'failover' || kind === 'assist')).toEqual([]);
  });
});
