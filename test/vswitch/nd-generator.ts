/**
 * Random IPv6 frames of guests, around what the guard looks at: neighbour discovery in right and nearly right forms, VRRP, other ICMPv6,
 * extension headers in front of all of them, fragments, wrong lengths, cut frames.
 */
import fc from 'fast-check';
import {
  type ExtensionHeader,
  ipv6Frame,
  nd,
  type NdOption,
  nonce,
  sourceMac,
  targetMac,
} from '../../native-fixtures/frames6.ts';
import { udpHeader } from '../../native-fixtures/packets.ts';
import { MAC1, MAC2, MAC3, MAC4, MAC9 } from '../network.ts';

const MACS = [MAC1, MAC2, MAC3, MAC4, MAC9, '00:00:5e:00:01:33', '00:00:5e:00:02:33', '02:00:00:00:00:ee', 'ff:ff:ff:ff:ff:ff'];
/** By the MACs of test/network.ts: 02:00:ac:11:10:07 makes ::acff:fe11:1007. */
const OWN = [
  'fe80::acff:fe11:1007',
  'fe80::acff:fe11:100d',
  'fe80::acff:fe11:1009',
  'fe80::acff:fe11:2005',
  'fe80::acff:fe22:1007',
];
const LISTED = ['fd00:16::7', 'fd00:16::d', 'fd00:16::9', 'fd00:32::5'];
const SLAAC = ['fd00:16::acff:fe11:1007', 'fd00:16::acff:fe11:1009', 'fd00:32::acff:fe11:2005'];
const ROUTERS = ['fd00:16::1', 'fe80::1', 'fd00:32::1'];
const SPARE = ['fd00:16::77', 'fd00:32::77', 'fe80::77', 'fe80:0:0:1::77', '2001:db8::1'];
const NOBODYS = ['::', '::1', '::ffff:172.17.16.7', 'ff02::1', 'ff02::1:ff00:7'];
const ADDRESSES = [...OWN, ...LISTED, ...SLAAC, ...ROUTERS, ...SPARE, ...NOBODYS];
const DESTINATIONS = ['ff02::1', 'ff02::2', 'ff02::12', 'ff02::1:ff00:7', 'fd00:16::64', 'fe80::acff:fe11:1007'];

const mac = fc.constantFrom(...MACS);
const address = fc.constantFrom(...ADDRESSES);
const hopLimit = fc.constantFrom(255, 255, 255, 255, 254, 64, 1);
const lengthError = fc.constantFrom(0, 0, 0, 0, 0, 0, -8, 8, -1, 1, 40, -40);
const version = fc.constantFrom(6, 6, 6, 6, 6, 6, 6, 6, 5, 4);

const option: fc.Arbitrary<NdOption> = fc.oneof(
  { weight: 4, arbitrary: mac.map(sourceMac) },
  { weight: 4, arbitrary: mac.map(targetMac) },
  { weight: 2, arbitrary: fc.constant<NdOption>(nonce) },
  fc.record({ type: fc.nat(255), length: fc.nat(3), value: fc.constant('010203040506') }),
);
const header: fc.Arbitrary<ExtensionHeader> = fc.record({
  type: fc.constantFrom('hop-by-hop', 'destination', 'routing', 'fragment', 'fragment', 'ah', 'mobility', 'none'),
  words: fc.constantFrom(0, 0, 0, 1, 5, 31),
  offset: fc.constantFrom(0, 0, 1, 185),
  more: fc.boolean(),
});
const headers = fc.oneof(
  { weight: 5, arbitrary: fc.constant<ExtensionHeader[]>([]) },
  { weight: 3, arbitrary: fc.array(header, { minLength: 1, maxLength: 1 }) },
  fc.array(header, { minLength: 2, maxLength: 4 }),
);

const common = {
  source: mac,
  ipSource: address,
  ipDestination: fc.constantFrom(...DESTINATIONS),
  hopLimit,
  lengthError,
  version,
  headers,
};

/** `own`: the port's MAC wherever one stands, so that many frames are nearly right. */
const discovery = fc
  .record({
    ...common,
    icmpType: fc.constantFrom(133, 134, 135, 135, 135, 136, 136, 136, 137, 138, 141, 142),
    code: fc.constantFrom(0, 0, 0, 0, 0, 0, 1),
    flags: fc.constantFrom(0, 0x20, 0x40, 0x60, 0xa0),
    target: address,
    options: fc.oneof<[fc.WeightedArbitrary<NdOption[]>, fc.WeightedArbitrary<NdOption[]>, fc.Arbitrary<NdOption[]>]>(
      { weight: 5, arbitrary: fc.array(option, { minLength: 1, maxLength: 1 }) },
      { weight: 2, arbitrary: fc.constant<NdOption[]>([]) },
      fc.array(option, { minLength: 2, maxLength: 2 }),
    ),
    unspecified: fc.constantFrom(false, false, true),
    checksum: fc.constantFrom('right' as const, 'right' as const, 'wrong' as const),
    own: fc.constantFrom(true, true, false),
    oneAddress: fc.boolean(),
  })
  .map(({ own, unspecified, oneAddress, ...fields }) => {
    const options = own ? fields.options.map((one) => (one.type < 3 ? { ...one, value: fields.source } : one)) : fields.options;
    const ipSource = unspecified ? '::' : oneAddress ? fields.target : fields.ipSource;
    return nd({ ...fields, options, ipSource });
  });
const others = fc
  .record({
    ...common,
    protocol: fc.constantFrom(6, 17, 50, 58, 58, 112, 112, 112, 135, 255, 59),
    payload: fc.uint8Array({ minLength: 0, maxLength: 80 }),
    first: fc.constantFrom(128, 129, 130, 143, 1, 255, 0x31, 0x21),
  })
  .map(({ first, ...fields }) => ipv6Frame({ ...fields, payload: Uint8Array.from([first, ...fields.payload]) }));

const datagrams = fc
  .record({
    ...common,
    from: fc.constantFrom(53, 546, 547),
    to: fc.constantFrom(53, 546, 546, 547),
    bytes: fc.constantFrom(8, 8, 8, 40, 3),
  })
  .map(({ from, to, bytes, ...fields }) => {
    const payload = new Uint8Array(Math.max(8, bytes));
    payload.set(udpHeader(from, to));
    return ipv6Frame({ ...fields, protocol: 17, payload: payload.subarray(0, bytes) });
  });

export const ipv6Frames = fc.oneof({ weight: 4, arbitrary: discovery }, others, datagrams);

/** The MAC of the port instead of the frame's own, so that it gets past the first check: three of four frames. */
export function fromPort(frame: Uint8Array, from: string): Uint8Array {
  const was = Buffer.from(frame.subarray(6, 12)).toString('hex');
  const all = Buffer.from(frame).toString('hex');
  return Buffer.from(all.replaceAll(was, from.replaceAll(':', '')), 'hex');
}
