/**
 * Builds the captures whose senders cannot run here, from their documented format:
 *
 *     node dist/native-fixtures/captures/build.js
 *
 * They are plain pcaps with nanosecond timestamps (magic 0xa1b23c4d), of the port that has the sender's MAC.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../lab/project.ts';
import { HAVIP } from '../lab/topology.ts';
import type { Capture } from './capture.ts';
import { enterCapture } from './catalogue.ts';
import { countFrames } from './recorder.ts';

interface TimedFrame {
  readonly atMs: number;
  readonly frame: Buffer;
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const ZERO = '00:00:00:00:00:00';
const CVM1 = '02:00:ac:11:10:07';
const CVM2 = '02:00:ac:11:10:0d';
const MOVE_MS = 20_000;

const directory = join(projectRoot(), 'native-fixtures/captures');

/** RFC 826 and 5227: probes for the address, then the announcement several times; sender and target address are the same. */
function clusterNode(mac: string, fromMs: number): TimedFrame[] {
  const probes = [0, 1_000, 2_000].map((atMs) => ({ atMs: fromMs + atMs, frame: arp(1, mac, '0.0.0.0', ZERO, HAVIP) }));
  const announcements = [3_000, 4_000, 5_000].map((atMs) => ({ atMs: fromMs + atMs, frame: arp(1, mac, HAVIP, ZERO, HAVIP) }));
  return [...probes, ...announcements];
}

await build(
  'windows-failover-cluster.pcap',
  'a cluster address comes online on cvm-1 and, 20 s later, on cvm-2: probes, then ARP requests with it as sender and target; no VRRP',
  'Windows Server Failover Clustering: RFC 5227 address conflict detection as Windows implements it',
  ['tap7', 'tap13'],
  { holders: ['cvm-1', 'cvm-2'], failovers: { count: 1, cause: 'takeover' }, drops: [] },
  [...clusterNode(CVM1, 0), ...clusterNode(CVM2, MOVE_MS)],
);

/** Ethernet and ARP for IPv4, broadcast, padded to 60 bytes as from a network card. */
function arp(operation: number, sender: string, senderAddress: string, target: string, targetAddress: string): Buffer {
  const addresses = [mac(sender), ipv4(senderAddress), mac(target), ipv4(targetAddress)];
  return padded([mac(BROADCAST), mac(sender), Buffer.from([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]), ...addresses]);
}

function padded(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts, 60);
}

function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function ipv4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

async function build(
  file: string,
  shows: string,
  sender: string,
  interfaces: readonly string[],
  expected: Capture['expected'],
  frames: readonly TimedFrame[],
): Promise<void> {
  const path = join(directory, file);
  writeFileSync(path, pcap(frames));
  enterCapture(join(directory, 'captures.json'), {
    file,
    shows,
    origin: 'built',
    sender,
    command: 'node dist/native-fixtures/captures/build.js',
    recordedAt: new Date().toISOString(),
    interfaces,
    frames: await countFrames(path),
    expected,
  });
}

/** The classic format: a header of 24 bytes, then 16 bytes before each frame. */
function pcap(frames: readonly TimedFrame[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20); // Ethernet
  const startS = Date.UTC(2026, 0, 1) / 1000;
  const records = frames.flatMap(({ atMs, frame }) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(startS + Math.floor(atMs / 1000), 0);
    record.writeUInt32LE((atMs % 1000) * 1e6, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}
