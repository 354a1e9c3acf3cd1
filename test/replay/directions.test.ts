/** Captures as people take them: both directions of a tap, everything on "any", frames cut short, files out of order, packed, piped. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import { nd, targetMac } from '../../native-fixtures/frames6.ts';
import { replay, type ReplayReport } from '../../src/replay/replay.ts';
import { CVM1, MAC1, MAC2, seedNetwork } from '../network.ts';
import { type CraftedFrame, craftPcap, crafter } from '../pcap/craft.ts';

const folder = mkdtempSync(join(tmpdir(), 'havip-directions-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function judged(bytes: Uint8Array, port?: number): Promise<ReplayReport> {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, bytes);
  return replay(path, { network: seedNetwork, host: 'host-a', workers: 0, ...(port === undefined ? {} : { port }) });
}

const GATEWAY_MAC = '02:00:ac:11:10:01';
const BASE = 1_700_000_000_000_000n;
const at = (seconds: number) => BASE + BigInt(Math.round(seconds * 1e6));
const claimOf = (source: string) => arp({ source, senderAddress: '172.17.16.3' });
const advertOf = (source: string, address: string, priority: number) =>
  vrrp({ source, ipSource: address, priority, addresses: ['172.17.16.3'], password: '1111' });

const make = crafter(true);
const name = (text: string) => make.option(2, new TextEncoder().encode(text));

interface Sent {
  readonly s: number;
  readonly by: 1 | 2;
  readonly bytes: Uint8Array;
}

const advert = (s: number, by: 1 | 2, priority: number): Sent => ({
  s,
  by,
  bytes: by === 1 ? advertOf(MAC1, '172.17.16.7', priority) : advertOf(MAC2, '172.17.16.13', priority),
});
const claim = (s: number, by: 1 | 2): Sent => ({ s, by, bytes: claimOf(by === 1 ? MAC1 : MAC2) });

/** cvm-1 masters, resigns at 3.5 s; cvm-2 takes over 0.6 s later. */
const STORY: readonly Sent[] = [
  advert(0, 1, 150),
  claim(0.001, 1),
  advert(1, 1, 150),
  advert(2, 1, 150),
  advert(3, 1, 150),
  advert(3.5, 1, 0),
  advert(4.1, 2, 100),
  claim(4.101, 2),
  advert(5.1, 2, 100),
];

function expectTheStory(report: ReplayReport): void {
  expect(report.problem).toBeNull();
  expect(report.havips).toMatchObject([{ id: 'havip-1', state: 'bound', holder: { instance: 'cvm-2', interface: 'tap13' } }]);
  expect(report.failovers).toMatchObject([
    { from: 'cvm-1', to: 'cvm-2', cause: 'resign', phasesMs: { detection: 600, announce: 1 } },
  ]);
  expect(Object.values(report.verdicts).reduce((a, b) => a + b, 0)).toBe(report.frames);
}

const many = (first: string) => [first, ...Array.from({ length: 20 }, (_, i) => `172.17.16.${100 + i}`)];
const plain = (frames: readonly CraftedFrame[]) => craftPcap({ little: true, nanoseconds: false }, frames);
const frameOf = ({ s, bytes }: Sent): CraftedFrame => ({ bytes, ticks: at(s) });
const cutAt = (snap: number, { s, bytes }: Sent): CraftedFrame => ({
  bytes: bytes.subarray(0, snap),
  length: bytes.length,
  ticks: at(s),
});
const longAdvert = (sent: Sent): Sent => {
  const priority = sent.bytes[36]!;
  const [source, ipSource] = sent.by === 1 ? [MAC1, '172.17.16.7'] : [MAC2, '172.17.16.13'];
  const isAdvert = sent.bytes[12] === 8 && sent.bytes[13] === 0;
  return isAdvert
    ? { ...sent, bytes: vrrp({ source, ipSource, priority, addresses: many('172.17.16.3'), password: '1111' }) }
    : sent;
};
const of = (by: 1 | 2) =>
  STORY.filter((sent) => sent.by === by).map(({ s, bytes }) => ({ bytes, ticks: at(s), interface: by - 1 }));

const TAPS = [make.section(), make.interface([name('tap7')]), make.interface([name('tap13')])];
/** As dumpcap on both taps sees it: from one, then to the other. */
const seenOnBoth = (sent: Sent): CraftedFrame[] => [
  { bytes: sent.bytes, ticks: at(sent.s), interface: sent.by - 1 },
  { bytes: sent.bytes, ticks: at(sent.s + 0.00002), interface: 2 - sent.by },
];

describe('both directions of a tap', () => {
  it('are told by whose MAC a frame comes from', async () => {
    const report = await judged(Buffer.concat([...TAPS, ...STORY.flatMap(seenOnBoth).map((frame) => make.enhanced(frame))]));
    expectTheStory(report);
    expect(report.verdicts).toEqual({ 'vrrp-advert': 6, 'vrrp-resign': 1, 'havip-claim': 2, 'towards-guest': 9 });
    expect(report.notes).toEqual(['9 frames were on the way to a guest, not from it: counted, not judged']);
  });

  it('with --port, and of frames to its own MAC from nobody who is known', async () => {
    const answer = arp({ source: GATEWAY_MAC, destination: MAC1, operation: 2, senderAddress: '172.17.16.1', targetMac: MAC1 });
    const frames = [claimOf(MAC1), claimOf(MAC2), answer].map((bytes, i) => ({ bytes, ticks: at(i) }));
    const { verdicts } = await judged(craftPcap({ little: true, nanoseconds: false }, frames), CVM1);
    expect(verdicts).toEqual({ 'havip-claim': 1, 'towards-guest': 2 });
  });

  it.each([
    ['on a tap: inbound is from the guest', 'tap7', 1, 2],
    ['inside a guest: outbound is from it', 'eth0', 2, 1],
  ])('as the file says, %s', async (_, named, from, to) => {
    const frames = [
      make.enhanced({ bytes: claimOf(MAC1), ticks: at(0), flags: from }),
      // Of another MAC it is a lie of the guest, or an honest frame to it: the flag alone tells.
      make.enhanced({ bytes: claimOf(MAC2), ticks: at(1), flags: to }),
      make.enhanced({ bytes: claimOf(GATEWAY_MAC), ticks: at(2), flags: to }),
    ];
    const { verdicts } = await judged(Buffer.concat([make.section(), make.interface([name(named)]), ...frames]));
    expect(verdicts).toEqual({ 'havip-claim': 1, 'towards-guest': 2 });
  });

  it('a spoof that the file calls inbound stays one, whosever MAC it wears', async () => {
    const frame = make.enhanced({ bytes: claimOf(MAC2), ticks: at(0), flags: 1 });
    const { verdicts } = await judged(Buffer.concat([make.section(), make.interface([name('tap7')]), frame]));
    expect(verdicts).toEqual({ 'mac-mismatch': 1 });
  });
});

/** packet(7): host, broadcast, outgoing. */
type Kind = 0 | 1 | 4;

function cooked(version: 1 | 2, frame: Uint8Array, kind: Kind, ifindex: number): Uint8Array {
  const head = Buffer.alloc(version === 1 ? 16 : 20);
  const [kindAt, hardwareAt, lengthAt, sourceAt, typeAt] = version === 1 ? [0, 2, 4, 6, 14] : [10, 8, 11, 12, 0];
  if (version === 1) {
    head.writeUInt16BE(kind, kindAt);
    head.writeUInt16BE(6, lengthAt);
  } else {
    head.writeUInt8(kind, kindAt);
    head.writeUInt8(6, lengthAt);
    head.writeUInt32BE(ifindex, 4);
  }
  head.writeUInt16BE(1, hardwareAt);
  head.set(frame.subarray(6, 12), sourceAt);
  head.set(frame.subarray(12, 14), typeAt);
  return Buffer.concat([head, frame.subarray(14)]);
}

const IFINDEX = { tap7: 7, tap13: 13, br0: 3 };

/** In by the tap, out to the other one, in on the bridge. */
function seenOnAny(version: 1 | 2, { s, by, bytes }: Sent): CraftedFrame[] {
  const [mine, other] = by === 1 ? [IFINDEX.tap7, IFINDEX.tap13] : [IFINDEX.tap13, IFINDEX.tap7];
  const views: [number, Kind][] = [
    [mine, 1],
    [other, 4],
    [IFINDEX.br0, 1],
  ];
  return views.map(([ifindex, kind], i) => ({ bytes: cooked(version, bytes, kind, ifindex), ticks: at(s + i * 0.00001) }));
}

describe('a capture on "any"', () => {
  it('version 2: interface and direction are the file’s', async () => {
    const frames = STORY.flatMap((sent) => seenOnAny(2, sent));
    const report = await judged(craftPcap({ little: true, nanoseconds: false, linkType: 276 }, frames));
    expectTheStory(report);
    expect(report.verdicts).toEqual({
      'vrrp-advert': 6,
      'vrrp-resign': 1,
      'havip-claim': 2,
      'towards-guest': 9,
      'unknown-port': 9,
    });
  });

  it('version 1: by MAC and direction', async () => {
    const frames = STORY.flatMap((sent) => seenOnAny(1, sent));
    const report = await judged(craftPcap({ little: true, nanoseconds: false, linkType: 113 }, frames));
    // The bridge's copy of each frame, which nothing tells from the tap's, comes 0.02 ms later.
    expect(report.failovers).toMatchObject([{ from: 'cvm-1', to: 'cvm-2', cause: 'resign', phasesMs: { detection: 599.98 } }]);
    expect(report.verdicts['towards-guest']).toBe(9);
  });

  it('inside a guest: its own words go out', async () => {
    const frames = STORY.map(({ s, by, bytes }) => ({ bytes: cooked(2, bytes, by === 1 ? 4 : 1, 2), ticks: at(s) }));
    const report = await judged(craftPcap({ little: true, nanoseconds: false, linkType: 276 }, frames));
    expect(report.verdicts).toEqual({ 'vrrp-advert': 4, 'vrrp-resign': 1, 'havip-claim': 1, 'towards-guest': 3 });
  });

  it('a guest’s virtual MAC, which is nobody’s by itself, is told by its tap', async () => {
    const vmac = '00:00:5e:00:01:33';
    const frames = [
      advert(0, 1, 150),
      { s: 1, by: 1 as const, bytes: arp({ source: vmac, senderAddress: '172.17.16.3' }) },
    ].flatMap((sent) => seenOnAny(2, sent));
    const report = await judged(craftPcap({ little: true, nanoseconds: false, linkType: 276 }, frames));
    expect(report.havips).toMatchObject([{ holder: { instance: 'cvm-1', mac: vmac } }]);
  });

  it('as one interface of a pcapng among others', async () => {
    const frames = seenOnAny(1, claim(0, 1)).map((frame) => make.enhanced({ ...frame, interface: 1 }));
    const plain = make.enhanced({ bytes: claimOf(MAC2), ticks: at(5) });
    const file = Buffer.concat([
      make.section(),
      make.interface([name('tap13')]),
      make.interface([name('any')], 113),
      ...frames,
      plain,
    ]);
    const report = await judged(file);
    expect(report.verdicts).toEqual({ 'havip-claim': 3, 'towards-guest': 1 });
  });

  it('too short for its own header', async () => {
    const frames = [{ bytes: new Uint8Array(9), ticks: at(0), length: 60 }];
    const { verdicts } = await judged(craftPcap({ little: true, nanoseconds: false, linkType: 276 }, frames));
    expect(verdicts).toEqual({ 'unknown-port': 1 });
  });
});

describe('frames that the capture cut', () => {
  it('21 addresses at tcpdump -s 96: not the guest’s fault, and still evidence', async () => {
    const frames = STORY.map((sent) => cutAt(96, longAdvert(sent)));
    const report = await judged(craftPcap({ little: true, nanoseconds: false }, frames));
    expectTheStory(report);
    expect(report.verdicts).toEqual({ cut: 7, 'havip-claim': 2 });
    expect(report.notes?.join()).toMatch(/^7 frames were cut short by the capture/);
  });

  it.each([
    ['ARP at 30 bytes', 30, claimOf(MAC1), 'cut'],
    ['VRRP inside its IP header', 30, advertOf(MAC1, '172.17.16.7', 100), 'cut'],
    ['an advert inside its head', 40, advertOf(MAC1, '172.17.16.7', 100), 'cut'],
    ['an advert inside its password', 50, advertOf(MAC1, '172.17.16.7', 100), 'cut'],
    [
      'a neighbour advertisement inside its options',
      80,
      nd({ icmpType: 136, source: MAC1, ipSource: 'fe80::7', target: 'fe80::7', options: [targetMac(MAC1)] }),
      'cut',
    ],
    ['what decides is there: another’s MAC', 43, advertOf(GATEWAY_MAC, '172.17.16.7', 100), 'mac-mismatch'],
    [
      'what decides is there: the TTL',
      43,
      vrrp({ source: MAC1, ipSource: '172.17.16.7', ttl: 3, addresses: ['172.17.16.3'] }),
      'vrrp-ttl',
    ],
    [
      'a fragment',
      43,
      vrrp({ source: MAC1, ipSource: '172.17.16.7', fragment: 0x2000, addresses: ['172.17.16.3'] }),
      'vrrp-hidden',
    ],
    ['ARP of strange hardware', 42, arp({ source: MAC1, senderAddress: '172.17.16.7', hardware: 6 }), 'malformed'],
  ])('%s', async (_, snap, bytes, verdict) => {
    const whole = new Uint8Array(Math.max(60, bytes.length));
    whole.set(bytes);
    const frames = [{ bytes: whole.subarray(0, snap), length: whole.length, ticks: at(0) }];
    const { verdicts } = await judged(craftPcap({ little: true, nanoseconds: false }, frames), CVM1);
    expect(verdicts).toEqual({ [verdict]: 1 });
  });
});

describe('frames out of order', () => {
  it.each([
    ['one tap’s after the other’s', Buffer.concat([...TAPS, ...[...of(2), ...of(1)].map((frame) => make.enhanced(frame))])],
    ['two files joined', plain([...of(2), ...of(1)])],
    ['by a little, here and there', plain([1, 0, 2, 3, 4, 6, 5, 7, 8].map((i) => frameOf(STORY[i]!)))],
  ])('%s: the same story', async (_, file) => {
    const report = await judged(file);
    expectTheStory(report);
    expect(report.spanMs).toBe(5100);
    expect(report.notes?.join()).toMatch(/claims? stands? behind later ones in the file: judged in order of time$/);
  });

  it.each([
    ['an hour', 3600],
    ['two seconds', 2],
  ])('the clock set back by %s in the middle: the same story, but for that moment, and said', async (_, back) => {
    const frames = STORY.map(({ s, bytes }) => ({ bytes, ticks: at(s > 4 ? s - back : s) }));
    // cvm-2 was silent before: what it says first is not taken for older.
    const more = [5.2, 6.2].map((s) => ({ bytes: advert(s, 1, 0).bytes, ticks: at(s - back) }));
    const report = await judged(plain([...frames, ...more]));
    expect(report.havips).toMatchObject([{ holder: { instance: 'cvm-2' } }]);
    expect(report.failovers).toMatchObject([{ from: 'cvm-1', to: 'cvm-2', cause: 'resign' }]);
    expect(report.notes?.join()).toMatch(/^the capture's clock was set back at 2023-11-14T22:13:23.500Z/);
  });
});

describe('frames without times', () => {
  it.each([
    [
      'simple packets',
      () => [
        make.section(),
        make.interface([name('tap7')]),
        ...STORY.filter(({ by }) => by === 1).map((one) => make.simple({ ...one, ticks: 0n })),
      ],
    ],
    [
      'all of them of 1970',
      () => [
        craftPcap(
          { little: true, nanoseconds: false },
          STORY.map(({ bytes }) => ({ bytes, ticks: 0n })),
        ),
      ],
    ],
  ])('%s: none is invented', async (_, parts) => {
    const report = await judged(Buffer.concat(parts()));
    expect([report.from, report.spanMs]).toEqual([null, null]);
    expect(JSON.stringify(report)).not.toMatch(/1970|0\.000 ms|"detection"/);
    expect(report.failovers.map(({ phasesMs }) => phasesMs)).toEqual(report.failovers.map(() => ({})));
  });
});

describe('packed', () => {
  const file = craftPcap(
    { little: true, nanoseconds: false },
    STORY.map(({ s, bytes }) => ({ bytes, ticks: at(s) })),
  );

  it('gzip, whatever it is called', async () => expectTheStory(await judged(gzipSync(file))));

  it('gzip in two members', async () =>
    expectTheStory(await judged(Buffer.concat([gzipSync(file.subarray(0, 100)), gzipSync(file.subarray(100))]))));

  it('gzip that breaks off: what is there is judged, and the end is said', async () => {
    const packed = gzipSync(file);
    const report = await judged(packed.subarray(0, packed.length - 40));
    expect(report.problem).toMatch(/^frame \d+, at byte \d+: the file ends inside this record/);
    expect(report.frames).toBeGreaterThan(0);
  });

  it('twice: refused in one line', async () => {
    await expect(judged(gzipSync(gzipSync(file)))).rejects.toThrow('compressed with gzip, twice, decompress it first');
  });
});

it('names who speaks when nobody is known', async () => {
  const frames = [MAC1, MAC2, MAC1].map((_, i) => ({
    bytes: claimOf(i === 1 ? '02:99:00:00:00:02' : '02:99:00:00:00:01'),
    ticks: at(i),
  }));
  const parts = [make.section(), make.interface([name('ens3')]), ...frames.map((frame) => make.enhanced(frame))];
  const report = await judged(Buffer.concat(parts));
  expect(report.notes).toEqual([
    'no frame belongs to a configured port; source MACs: 02:99:00:00:00:01 (2), 02:99:00:00:00:02 (1)',
    'to map them: give a port one of these as `mac`, or as `interface` one of ens3, or say --port INTERFACE',
  ]);
});
