/**
 * A process that captures one interface with libpcap and writes records to descriptor 3; ends when the reader is gone.
 * The one file that imports `cap`, which is why it is a process: cap aborts the whole process (SIGABRT) when the interface
 * goes down, and reads from a socket without a budget.
 *
 * Started as `node child.js INTERFACE`, of an uplink with `uplink` behind it. Timestamps are those of arrival here: cap passes libpcap's on to nobody. Frames come
 * without delay only where libpcap.so can be loaded by that name (package libpcap-dev), for cap looks up immediate mode in it;
 * else libpcap gathers them for up to a second.
 */
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import * as libc from '../../abi/libc.ts';
import { SNAP_BYTES } from '../../base/snap.ts';
import { GUEST_CLAIMS_EXPRESSION, UPLINK_CLAIMS_EXPRESSION } from '../bpf.ts';
import { RECORD_BYTES, RECORD_FD, RECORD_FRAME_AT } from './record.ts';

interface Cap {
  open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string;
  on(event: 'packet', listener: (length: number, truncated: boolean) => void): void;
}

/** cap asks for whole packets, so libpcap may reserve 64 KiB for each: 256 frames. With 2 MiB bursts of 100 lost their end. */
const LIBPCAP_BUFFER_BYTES = 16 * 1024 * 1024;
/** cap keeps a raw pointer to it without a reference: module scope keeps it alive. */
const captured = Buffer.alloc(65_535);
const record = Buffer.alloc(RECORD_BYTES);
let drops = 0;

/** A record is one socket buffer: it is queued whole or not at all. */
function sendRecord(): void {
  const sent = libc.send(RECORD_FD, record, libc.MSG_DONTWAIT | libc.MSG_NOSIGNAL);
  if (sent === -libc.EAGAIN) drops++;
  else if (sent < 0) process.exit(0); // the reader is gone
}

function onPacket(length: number): void {
  const nowNs = libc.clockNs(libc.CLOCK_REALTIME);
  const kept = Math.min(length, SNAP_BYTES);
  record.writeUInt32LE(Math.floor(nowNs / 1e9), 0);
  record.writeUInt32LE(nowNs % 1e9, 4);
  record.writeUInt32LE(kept, 8);
  record.writeUInt32LE(length, 12);
  record.writeUInt32LE(drops >>> 0, 16);
  captured.copy(record, RECORD_FRAME_AT, 0, kept);
  sendRecord();
}

function lastWords(text: string): never {
  const bytes = Buffer.from(text).subarray(0, SNAP_BYTES);
  record.fill(0);
  record.writeUInt32LE(bytes.length, 8);
  bytes.copy(record, RECORD_FRAME_AT);
  sendRecord();
  process.exit(1);
}

function main(device: string, expression: string): void {
  const reader = new Socket({ fd: RECORD_FD });
  reader.on('close', () => process.exit(0));
  reader.on('error', () => process.exit(0));
  reader.resume();
  try {
    const { Cap } = createRequire(import.meta.url)('cap') as { Cap: new () => Cap };
    const cap = new Cap();
    const linkType = cap.open(device, expression, LIBPCAP_BUFFER_BYTES, captured);
    if (linkType !== 'ETHERNET') lastWords(`not an Ethernet interface but ${linkType}`);
    cap.on('packet', onPacket);
  } catch (error) {
    lastWords(`libpcap: ${error instanceof Error ? error.message : String(error)}`);
  }
}

main(process.argv[2] ?? '', process.argv[3] === 'uplink' ? UPLINK_CLAIMS_EXPRESSION : GUEST_CLAIMS_EXPRESSION);
