/** `explain` of frames as people have them: pasted in any form, by what an ARP says, or out of a capture. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arp, rarp, snap, tagged, vrrp } from '../../native-fixtures/frames.ts';
import { command as explain } from '../../src/cli/explain.ts';
import { craftPcap } from '../pcap/craft.ts';
import { runCommand } from './io.ts';

const CONFIG = `host: { id: host-a }
vpcs:
  - id: vpc-1
    cidr: 172.17.0.0/16
    subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }]
    havips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.3, members: [cvm-1, cvm-2] }]
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.7] }
  - { interface: tap13, instance: cvm-2, subnet: subnet-a, mac: "02:00:ac:11:10:0d", addresses: [172.17.16.13] }
  - { interface: tap9, instance: cvm-3, subnet: subnet-a, mac: "02:00:ac:11:10:09", addresses: [172.17.16.9] }
`;
const MAC1 = '02:00:ac:11:10:07';
const MAC2 = '02:00:ac:11:10:0d';
const folder = mkdtempSync(join(tmpdir(), 'havip-explain-'));
const config = join(folder, 'agent.yaml');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
beforeAll(() => writeFileSync(config, CONFIG));
afterAll(() => rmSync(folder, { recursive: true }));

interface Said {
  readonly verdict: string;
  readonly reason: string;
  readonly port: string;
  readonly because: readonly string[];
}

async function said(...args: string[]): Promise<Said> {
  const { exitCode, stdout, stderr } = await runCommand(explain, '--config', config, '--json', ...args);
  expect([exitCode, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Said;
}

const CLAIM = arp({ source: MAC1, senderAddress: '172.17.16.3' });
const pairs = hex(CLAIM).match(/../g)!;
const words = hex(CLAIM).match(/.{4}/g)!;
const rows = (perRow: number, list: readonly string[]) =>
  Array.from({ length: Math.ceil(list.length / perRow) }, (_, i) => list.slice(i * perRow, i * perRow + perRow));
const offset = (i: number, digits: number) => (i * 16).toString(16).padStart(digits, '0');

it.each([
  ['0x and no space', `0x${hex(CLAIM)}`],
  ['0x before each byte', pairs.map((byte) => `0x${byte}`).join(', ')],
  ['\\\\x', pairs.map((byte) => `\\x${byte}`).join('')],
  ['dashes', pairs.join('-')],
  ['colons, capitals', pairs.join(':').toUpperCase()],
  ['lines', words.join('\n')],
  [
    'tcpdump -xx',
    `12:00:00.000000 ARP, Request who-has 172.17.16.3 tell 172.17.16.3, length 28\n${rows(8, words)
      .map((row, i) => `\t0x${offset(i, 4)}:  ${row.join(' ')}`)
      .join('\n')}\n`,
  ],
  [
    'tcpdump -XX',
    rows(8, words)
      .map((row, i) => `\t0x${offset(i, 4)}:  ${row.join(' ')}  abcdabcdabcdabcd`)
      .join('\n'),
  ],
  [
    'hexdump -C',
    `${rows(16, pairs)
      .map((row, i) => `${offset(i, 8)}  ${row.slice(0, 8).join(' ')}  ${row.slice(8).join(' ')}  |................|`)
      .join('\n')}\n0000002a\n`,
  ],
])('a frame pasted with %s', async (_, text) => {
  expect(await said('--port', 'tap7', '--frame', text)).toMatchObject({ verdict: 'accept', reason: 'havip-claim' });
});

it('a frame to a MAC that looks like an offset', async () => {
  const virtual = hex(arp({ source: MAC1, senderAddress: '172.17.16.3', destination: '00:00:5e:00:01:33' }));
  expect(await said('--port', 'tap7', '--frame', virtual.match(/.{4}/g)!.join(' '))).toMatchObject({ reason: 'havip-claim' });
});

it.each([
  ['tap7', '172.17.16.3', 'havip-claim'],
  ['tap9', '172.17.16.3', 'not-member'],
  ['tap7', '172.17.16.3,02:00:ac:11:10:09', 'mac-mismatch'],
  ['tap7', '172.17.16.3, 00:00:5e:00:01:33', 'havip-claim'],
  ['tap7', '172.17.16.200', 'not-havip'],
])('--port %s --arp %s: %s', async (port, text, reason) => {
  expect((await said('--port', port, '--arp', text)).reason).toBe(reason);
});

describe('--pcap FILE:N', () => {
  const capture = join(folder, 'capture.pcap');
  const advert = vrrp({ source: MAC2, ipSource: '172.17.16.13', addresses: ['172.17.16.3'] });
  beforeAll(() =>
    writeFileSync(
      capture,
      craftPcap({ little: true, nanoseconds: false }, [
        { bytes: CLAIM, ticks: 1n },
        { bytes: advert, ticks: 2n },
        { bytes: advert.subarray(0, 44), length: advert.length, ticks: 3n },
      ]),
    ),
  );

  it('takes the port from the file, or as it is told', async () => {
    expect(await said('--pcap', `${capture}:2`)).toMatchObject({ port: 'tap13', reason: 'vrrp-advert' });
    expect(await said('--pcap', `${capture}:3`)).toMatchObject({ port: 'tap13', verdict: 'not judged', reason: 'cut' });
    expect(await said('--pcap', `${capture}:2`, '--port', 'tap7')).toMatchObject({
      verdict: 'not judged',
      reason: 'towards-guest',
    });
  });

  it.each([
    [`${capture}:4`, `${capture}: there is no frame 4, only 3`],
    [capture, `--pcap must be FILE:N, the N-th frame of a capture, not "${capture}"`],
  ])('%s', async (text, message) => {
    expect(await runCommand(explain, '--config', config, '--pcap', text)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `havip-agent: ${message}\n`,
    });
  });
});

const advert = { source: MAC1, ipSource: '172.17.16.7', addresses: ['172.17.16.3'] };
const llc = (dsap: number) =>
  Uint8Array.from([1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0xac, 0x11, 0x10, 7, 0, 38, dsap, dsap, 3, ...Array<number>(35).fill(0)]);
const ethertype = (type: number) =>
  Uint8Array.from([1, 0x80, 0xc2, 0, 0, 0xe, 2, 0, 0xac, 0x11, 0x10, 7, type >> 8, type & 255, ...Array<number>(46).fill(0)]);

describe('one cause each', () => {
  it.each<[string, Uint8Array, string]>([
    ['vrrp-malformed', vrrp({ ...advert, addresses: [] }), 'it lists no address (count 0)'],
    ['vrrp-malformed', vrrp({ ...advert, interval: 0 }), 'the advertisement interval is 0'],
    ['vrrp-malformed', vrrp({ ...advert, typeByte: 0x41 }), 'the version is 4; there are 2 and 3'],
    ['vrrp-malformed', vrrp({ ...advert, typeByte: 0x22 }), 'the type is 2; VRRP has 1 (advertisement)'],
    ['vrrp-malformed', vrrp({ ...advert, count: 4 }), 'it counts 4 addresses, which takes 32 bytes, and has 20'],
    ['vrrp-hidden', vrrp({ ...advert, fragment: 0x2000 }), 'it is a fragment: no VRRP daemon sends one'],
    ['malformed', CLAIM.subarray(0, 40), 'ARP cut at 40 of 42 bytes'],
    ['malformed', arp({ source: MAC1, senderAddress: '172.17.16.7', hardware: 6 }), 'the hardware type is 6; Ethernet is 1'],
    [
      'malformed',
      arp({ source: MAC1, senderAddress: '172.17.16.7', operation: 8 }),
      'the operation is 8 (InARP); ARP has 1 (request) and 2 (reply)',
    ],
    ['malformed', arp({ source: MAC1, senderAddress: '172.17.16.7', senderMac: '00:00:00:00:00:00' }), 'the sender MAC is zero'],
    [
      'malformed',
      arp({ source: MAC1, senderAddress: '224.0.0.1' }),
      "the sender address 224.0.0.1 is no machine's: multicast, reserved, broadcast or loopback",
    ],
    [
      'malformed',
      arp({ source: MAC1, senderAddress: '0.0.0.0', operation: 2 }),
      'the sender address 0.0.0.0 is for probes, which are requests',
    ],
    ['malformed', rarp(MAC1, { operation: 4 }), 'the operation is 4; a RARP announcement is 3'],
    ['encapsulated', snap(CLAIM), 'a SNAP frame that carries EtherType 0x0806 (ARP): ARP that slips past EtherType filters'],
    ['encapsulated', llc(0xe0), 'an LLC frame, DSAP 0xe0 (IPX)'],
    ['link-control', llc(0x42), ''],
    ['link-control', ethertype(0x88cc), 'the EtherType is 0x88cc (LLDP)'],
    ['link-control', ethertype(0x8809), 'the EtherType is 0x8809 (LACP and its kin)'],
    ['ethertype', ethertype(0x8847), 'the EtherType is 0x8847 (MPLS)'],
    ['tagged', tagged(CLAIM, 0x88a8_0000), 'the EtherType is 0x88a8 (802.1ad), a VLAN tag'],
  ])('%s: %#', async (reason, frame, text) => {
    const answer = await said('--port', 'tap7', '--frame', hex(frame));
    expect([answer.reason, answer.because[0]]).toEqual([reason, text === '' ? 'a frame of spanning tree (LLC DSAP 0x42)' : text]);
  });
});
