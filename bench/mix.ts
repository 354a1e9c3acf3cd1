/**
 * The frames that benches judge: a seeded, weighted mix of what guests send, good and bad, over a small network. The same seed
 * gives the same bytes on every machine.
 */
import { type Cidr, parseIpv4 } from '../src/base/address.ts';
import { must } from '../src/base/assert.ts';
import { writeMac } from '../src/base/mac.ts';
import type { Havip, Network, Port, Subnet, Vpc } from '../src/base/network.ts';

/** What share of the frames is of which kind, in percent. */
export interface Weights {
  readonly own: number;
  readonly ip: number;
  readonly claim: number;
  readonly spoof: number;
  readonly foreignSubnet: number;
  readonly probe: number;
  readonly rarp: number;
  readonly vrrp2: number;
  readonly vrrp3: number;
  readonly malformed: number;
  readonly tagged: number;
}

/** Every path through decode and judge. */
export const ALL_PATHS: Weights = {
  own: 30,
  ip: 8,
  claim: 8,
  spoof: 20,
  foreignSubnet: 4,
  probe: 4,
  rarp: 2,
  vrrp2: 7,
  vrrp3: 7,
  malformed: 5,
  tagged: 5,
};

/**
 * What a tap records while a neighbour floods: mostly own ARP and spoofs, with a little life of HAVIPs in between. At a million
 * frames a second it is 4,000 claims and adverts a second, more than a hundred guests in order have to say.
 */
export const FLOODED_TAP: Weights = {
  own: 51.1,
  ip: 5,
  claim: 0.1,
  spoof: 38.5,
  foreignSubnet: 1,
  probe: 1,
  rarp: 0.1,
  vrrp2: 0.1,
  vrrp3: 0.1,
  malformed: 1,
  tagged: 2,
};

export interface Mix {
  /** All frames, one after the other. */
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
  readonly lengths: Int32Array;
  /** Index of the port that each came from. */
  readonly ports: Int32Array;
}

const PORTS_PER_SUBNET = 16;
const VPCS = 4;
/** Frames come in runs of one sender and kind, 1 to 16 long, as bursts and floods do and as a capture ring hands them over. */
const MAX_RUN = 16;

/** 4 VPCs with the same addresses, 2 subnets each, 16 ports and 4 HAVIPs per subnet. */
export function mixNetwork(): Network {
  const vpcs: Vpc[] = [];
  const subnets: Subnet[] = [];
  const havips: Havip[] = [];
  const ports: Port[] = [];
  for (let vpc = 0; vpc < VPCS; vpc++) {
    vpcs.push({ index: vpc, id: `vpc-${vpc}`, cidr: cidr('172.17.0.0', 16) });
    for (let half = 0; half < 2; half++) {
      const subnet = subnets.length;
      const range = cidr(`172.17.${16 + half}.0`, 24);
      const plain = { sources: 'checked', ipv6: null } as const;
      subnets.push({ index: subnet, id: `subnet-${subnet}`, vpc, cidr: range, gateway: range.base + 1, ...plain });
      for (let i = 0; i < 4; i++) havips.push(havip(havips.length, vpc, subnet, range.base + 3 + i));
      for (let i = 0; i < PORTS_PER_SUBNET; i++) {
        const index = ports.length;
        const rest = { interface: `tap${index}`, instance: `cvm-${index}`, addresses6: [], router: false };
        ports.push({ index, ...rest, vpc, subnet, mac: 0x0200_ac11_0000 + index, addresses: [range.base + 20 + i] });
      }
    }
  }
  return { vpcs, subnets, havips, ports, uplinks: [], peers: [] };
}

function cidr(text: string, bits: number): Cidr {
  return { base: must(parseIpv4(text), 'an address of the bench'), bits };
}

function havip(index: number, vpc: number, subnet: number, address: number): Havip {
  const rest = { members: null, fence: true, vrid: null, assist: null, verify: false, probe: false };
  return { index, id: `havip-${index}`, vpc, subnet, address, ...rest };
}

/** mulberry32 */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export function makeMix(network: Network, weights: Weights, count: number, seed: number): Mix {
  const random = randomFrom(seed);
  const frames: Uint8Array[] = [];
  const ports = new Int32Array(count);
  const kinds = Object.entries(weights) as [keyof Weights, number][];
  while (frames.length < count) {
    let pick = random(1000) / 10;
    const [kind] = kinds.find(([, weight]) => (pick -= weight) < 0) ?? kinds[0]!;
    const port = must(network.ports[random(network.ports.length)], 'the bench network has no holes');
    for (let left = Math.min(1 + random(MAX_RUN), count - frames.length); left > 0; left--) {
      ports[frames.length] = port.index;
      frames.push(frameOf(kind, port, network, random));
    }
  }
  const offsets = new Int32Array(count);
  const lengths = Int32Array.from(frames, (frame) => frame.length);
  let end = 0;
  for (let i = 0; i < count; i++) {
    offsets[i] = end;
    end += lengths[i]!;
  }
  const bytes = new Uint8Array(end);
  for (const [i, frame] of frames.entries()) bytes.set(frame, offsets[i]);
  return { bytes, offsets, lengths, ports };
}

function frameOf(kind: keyof Weights, port: Port, network: Network, random: (below: number) => number): Uint8Array {
  const address = must(port.addresses[0], 'every port of the bench has an address');
  const havips = network.havips.filter((one) => one !== null && one.vpc === port.vpc && one.subnet === port.subnet);
  const havipAddress = must(havips[random(havips.length)], 'every subnet of the bench has HAVIPs').address;
  switch (kind) {
    case 'own':
      return arp(port.mac, port.mac, 1 + random(2), address, address + 1);
    case 'ip':
      return ip(port.mac, 17, address, 0xe000_00fb, 64, new Uint8Array(8));
    case 'claim':
      return arp(port.mac, port.mac, 1 + random(2), havipAddress, havipAddress);
    case 'spoof':
      return arp(port.mac, random(2) === 0 ? port.mac : port.mac + 1, 2, address + 100 + random(50), address);
    case 'foreignSubnet':
      return arp(port.mac, port.mac, 1, havipAddress ^ 0x100, havipAddress ^ 0x100);
    case 'probe':
      return arp(port.mac, port.mac, 1, 0, address);
    case 'rarp':
      return arp(port.mac, port.mac, 3, 0, 0);
    case 'vrrp2':
      return ip(port.mac, 112, address, 0xe000_0012, 255, vrrp2(havipAddress, random(100)));
    case 'vrrp3':
      return ip(port.mac, 112, address, 0xe000_0012, 255, vrrp3(address, havipAddress, random(100), random(2) === 0));
    case 'malformed':
      return malformed(arp(port.mac, port.mac, 1, address, address), random);
    default: // tagged
      return tag(arp(port.mac, port.mac, 2, havipAddress, address), random(2) === 0 ? 0x8100 : 0x88a8);
  }
}

const BROADCAST = 0xffff_ffff_ffff;

/** Operation 3 makes it RARP, padded to 60 bytes as QEMU does. */
function arp(source: number, sender: number, operation: number, senderAddress: number, targetAddress: number): Uint8Array {
  const reverse = operation === 3;
  const frame = new Uint8Array(reverse ? 60 : 42);
  const view = ethernet(frame, source, reverse ? 0x8035 : 0x0806);
  view.setUint32(14, 0x0001_0800);
  view.setUint16(18, 0x0604);
  view.setUint16(20, operation);
  writeMac(frame, 22, sender);
  view.setUint32(28, senderAddress);
  writeMac(frame, 32, reverse ? sender : BROADCAST);
  view.setUint32(38, targetAddress);
  return frame;
}

function ethernet(frame: Uint8Array, source: number, type: number): DataView {
  const view = new DataView(frame.buffer);
  writeMac(frame, 0, BROADCAST);
  writeMac(frame, 6, source);
  view.setUint16(12, type);
  return view;
}

function ip(source: number, protocol: number, from: number, to: number, ttl: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(Math.max(60, 34 + payload.length));
  const view = ethernet(frame, source, 0x0800);
  view.setUint32(14, 0x45c0_0000 | (20 + payload.length));
  view.setUint8(22, ttl);
  view.setUint8(23, protocol);
  view.setUint32(26, from);
  view.setUint32(30, to);
  view.setUint16(24, checksum(frame.subarray(14, 34)));
  frame.set(payload, 34);
  return frame;
}

/** Every eighth resigns, every eighth has a wrong checksum. */
function vrrp2(address: number, priority: number): Uint8Array {
  const message = Uint8Array.of(
    0x21,
    51,
    priority % 8 === 0 ? 0 : priority,
    1,
    0,
    1,
    0,
    0,
    ...octets(address),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  );
  new DataView(message.buffer).setUint16(6, checksum(message) ^ (priority % 8 === 1 ? 1 : 0));
  return message;
}

function vrrp3(source: number, address: number, priority: number, pseudo: boolean): Uint8Array {
  const message = Uint8Array.of(0x31, 51, priority, 1, 0, 100, 0, 0, ...octets(address));
  const header = pseudo ? [...octets(source), 224, 0, 0, 18, 0, 112, 0, message.length] : [];
  new DataView(message.buffer).setUint16(6, checksum(Uint8Array.of(...header, ...message)));
  return message;
}

function octets(address: number): number[] {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
}

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function malformed(frame: Uint8Array, random: (below: number) => number): Uint8Array {
  const how = random(3);
  if (how === 0) return frame.slice(0, 30 + random(12));
  if (how === 1) frame[18] = 8;
  else frame[21] = 9;
  return frame;
}

function tag(frame: Uint8Array, tpid: number): Uint8Array {
  return Uint8Array.of(...frame.subarray(0, 12), tpid >> 8, tpid & 255, 0, 0, ...frame.subarray(12));
}
