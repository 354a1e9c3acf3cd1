/** Evidence that lists no HAVIP, or not all of it is there: VRRP over IPv6 of who announces by ARP, and signed adverts that the capture cut. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { arp, vrrp } from '../../native-fixtures/frames.ts';
import { ipv6Frame } from '../../native-fixtures/frames6.ts';
import { replay, type ReplayReport } from '../../src/replay/replay.ts';
import { MAC1, MAC2, seedNetwork } from '../network.ts';
import { craftPcap } from '../pcap/craft.ts';

const folder = mkdtempSync(join(tmpdir(), 'havip-evidence-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

interface Sent {
  readonly s: number;
  readonly bytes: Uint8Array;
  /** Bytes that the capture kept. */
  readonly snap?: number;
}

function judged(frames: readonly Sent[]): Promise<ReplayReport> {
  const path = join(folder, `file-${files++}`);
  const crafted = frames.map(({ s, bytes, snap = bytes.length }) => ({
    bytes: bytes.subarray(0, snap),
    length: bytes.length,
    ticks: 1_700_000_000_000_000n + BigInt(Math.round(s * 1e6)),
  }));
  writeFileSync(path, craftPcap({ little: true, nanoseconds: false }, crafted));
  return replay(path, { network: seedNetwork, host: 'host-a', workers: 0 });
}

const SOURCES: Readonly<Record<string, string>> = { [MAC1]: 'fe80::acff:fe11:1007', [MAC2]: 'fe80::acff:fe11:100d' };

function advert6(mac: string, priority: number, { vrid = 51, spoil = 0 } = {}): Uint8Array {
  const payload = Buffer.alloc(24);
  payload.set([0x31, vrid, priority, 1, 0, 100]);
  payload.set([0xfe, 0x80], 8);
  payload[23] = 3;
  const frame = ipv6Frame({ source: mac, ipSource: SOURCES[mac] ?? '', ipDestination: 'ff02::12', protocol: 112, payload });
  const view = new DataView(frame.buffer, frame.byteOffset);
  let sum = payload.length + 112 + spoil;
  for (let i = 22; i < frame.length; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(60, ~sum & 0xffff);
  return frame;
}

const signed = (source: string, ipSource: string, priority: number) =>
  vrrp({ source, ipSource, priority, addresses: ['172.17.16.3', '172.17.16.33'], signed: true, authType: 2 });
const one = (s: number, priority = 150): Sent => ({ s, bytes: signed(MAC1, '172.17.16.7', priority), snap: 72 });
const two = (s: number): Sent => ({ s, bytes: signed(MAC2, '172.17.16.13', 100), snap: 72 });
const claim = (source: string) => arp({ source, senderAddress: '172.17.16.3' });

describe('VRRP over IPv6, with the HAVIP in virtual_ipaddress_excluded', () => {
  const start = (more = {}): Sent[] => [
    { s: 0, bytes: advert6(MAC1, 150, more) },
    { s: 0.001, bytes: claim(MAC1) },
    ...[1, 2, 3].map((s) => ({ s, bytes: advert6(MAC1, 150, more) })),
  ];
  const takeOver = (s: number, more = {}): Sent[] => [
    { s, bytes: advert6(MAC2, 100, more) },
    { s: s + 0.001, bytes: claim(MAC2) },
  ];

  it.each<[string, Sent[], object]>([
    [
      'resign',
      [...start(), { s: 3.5, bytes: advert6(MAC1, 0) }, ...takeOver(4.1)],
      { cause: 'resign', phasesMs: { detection: 600 } },
    ],
    ['silence', [...start(), ...takeOver(6.7)], { cause: 'silence', phasesMs: { detection: 3700 } }],
    // What receivers drop is no evidence.
    ['takeover', [...start({ spoil: 1 }), ...takeOver(6.7, { spoil: 1 })], { cause: 'takeover', phasesMs: {} }],
  ])('tells a %s and how long it took', async (_, frames, expected) => {
    const report = await judged(frames);
    expect(report.failovers).toMatchObject([{ from: 'cvm-1', to: 'cvm-2', ...expected }]);
    expect(report.verdicts['other-ip']).toBeGreaterThan(4);
    expect('detection' in (report.failovers[0]?.phasesMs ?? {})).toBe(report.failovers[0]?.cause !== 'takeover');
  });

  it('is of another virtual router than that of IPv4 with the same number', async () => {
    const advert4 = vrrp({ source: MAC1, ipSource: '172.17.16.7', addresses: ['172.17.16.3'], priority: 150, password: '1111' });
    const seconds = [0, 1, 2, 3, 4, 5];
    const report = await judged(
      seconds.flatMap((s) => [
        { s, bytes: advert4 },
        { s: s + 0.001, bytes: claim(MAC1) },
        { s: s + 0.5, bytes: advert6(MAC2, 200) },
      ]),
    );
    expect(report.havips).toMatchObject([{ holder: { instance: 'cvm-1' }, contested: false, failovers: 0 }]);
    expect(report.havips[0]?.findings.map(({ kind }) => kind)).not.toContain('two-masters');
  });
});

describe('signed adverts (AH) of which the capture kept the beginning', () => {
  it('are counted as cut, and still evidence', async () => {
    const report = await judged([
      one(0),
      { s: 0.001, bytes: claim(MAC1) },
      one(1),
      one(2),
      one(2.5, 0),
      two(3.1),
      { s: 3.101, bytes: claim(MAC2) },
    ]);
    expect(report.verdicts).toEqual({ cut: 5, 'havip-claim': 2 });
    expect(report.failovers).toMatchObject([{ cause: 'resign', phasesMs: { detection: 600 } }]);
  });

  it('other signed packets are what they are: plain IP', async () => {
    const other = signed(MAC1, '172.17.16.7', 100);
    other[34] = 17;
    const report = await judged([{ s: 0, bytes: other, snap: 72 }]);
    expect(report.verdicts).toEqual({ 'other-ip': 1 });
  });
});
