/**
 * What one text of the configuration may be: an id, an address, a MAC, the name of an interface. Whoever writes something else is told what
 * it looks like, and what would be right.
 */
import { z } from 'zod';
import { parseCidr, parseIpv4 } from '../base/address.ts';
import { isLinkLocal, isUnicastIpv6, parseCidr6, parseIpv6 } from '../base/ipv6.ts';
import { isUnicastMac, parseMac } from '../base/mac.ts';
import { parseListen } from './listen.ts';

/** Longest interface name in bytes: IFNAMSIZ without its final zero. */
const INTERFACE_NAME_MAX = 15;

const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/;
/** The kernel's dev_valid_name(), less what a switch's tools read as a pattern or a quote. */
const INTERFACE = /^[!-~]+$/;
const INTERFACE_REFUSED = /[/:"\\*]/;

/** Also a name that a file may have. */
export function isId(text: string): boolean {
  return ID.test(text);
}

export const id = z.string().refine((text) => ID.test(text), {
  error: 'must be 1 to 63 letters, digits, ".", "_", ":" or "-", and begin with a letter or digit',
});

export const address = z
  .string()
  .refine((text) => parseIpv4(text) !== null, { error: (issue) => wrongAddress(String(issue.input)) });

/** Whether reachability is measured, by ICMP echo; and the port of a service that is to answer too. */
export const probe = z.union([z.boolean(), z.strictObject({ tcp: z.int().min(1).max(65_535) })], {
  error: 'must be true, false or { tcp: PORT }',
});

export const gateway = z.string().refine((text) => parseIpv4(text) !== null, {
  error: ({ input }) => {
    const text = String(input);
    return parseIpv6(text) === null ? wrongAddress(text) : `${text}: this is an IPv6 address; write it as \`ipv6: { gateway }\``;
  },
});

export const address6 = z.string().superRefine((text, context) => {
  const problem = wrongIpv6(text);
  if (problem !== null) context.addIssue(problem);
});

/** Of a port. */
export const anyAddress = z.string().superRefine((text, context) => {
  const problem = text.includes(':') ? wrongIpv6(text) : parseIpv4(text) === null ? wrongAddress(text) : null;
  if (problem !== null) context.addIssue(problem);
});

export const cidr6 = z.string().superRefine((text, context) => {
  const problem = wrongCidr6(text);
  if (problem !== null) context.addIssue(problem);
});

export const cidr = z.string().refine((text) => parseCidr(text) !== null, { error: (issue) => wrongCidr(String(issue.input)) });

export const mac = z.string().superRefine((text, context) => {
  const value = parseMac(text);
  if (value === null) context.addIssue(`"${text}" is not a MAC address; write six octets like 02:00:ac:11:10:07`);
  else if (!isUnicastMac(value))
    context.addIssue(`${text} is not a unicast MAC; a port's own MAC has an even first octet and is not zero`);
});

export const interfaceName = z.string().superRefine((text, context) => {
  // ip(8) and /proc show a veth, a VLAN or a macvlan so: the kernel's name ends before it.
  const [name = '', peer] = text.split('@');
  if (peer !== undefined) {
    context.addIssue(`"${text}" is how ip(8) shows ${name} with the interface behind it; write "${name}"`);
    return;
  }
  if (Buffer.byteLength(text) > INTERFACE_NAME_MAX) {
    context.addIssue(`"${text}" is longer than the ${INTERFACE_NAME_MAX} characters that Linux allows in an interface name`);
  } else if (!INTERFACE.test(text) || INTERFACE_REFUSED.test(text) || text === '.' || text === '..') {
    context.addIssue(`"${text}" is not an interface name; use 1 to ${INTERFACE_NAME_MAX} visible characters without / : " \\ *`);
  }
});

export const listen = z.string().refine((text) => parseListen(text) !== null, {
  error: 'must be HOST:PORT like 127.0.0.1:9712, or unix:/run/havip.sock',
});

function wrongAddress(text: string): string {
  if (parseIpv6(text) !== null) return `${text}: IPv6 is not supported yet; use an IPv4 address`;
  return `"${text}" is not an IPv4 address; write four numbers of 0 to 255 without leading zeros, like 172.17.16.3`;
}

function wrongCidr(text: string): string {
  const [base = '', bits = ''] = text.split('/');
  if (parseIpv6(base) !== null)
    return `${text}: this is an IPv6 prefix; it belongs to the subnet's \`ipv6: { cidr }\`, here write an IPv4 prefix`;
  const value = parseIpv4(base);
  if (value === null || !/^\d{1,2}$/.test(bits) || Number(bits) > 32) {
    return `"${text}" is not an IPv4 prefix; write it like 172.17.16.0/24`;
  }
  return `${text} has bits set beyond its /${bits}: it names a host, not a network; write the network's first address`;
}

/** Why it is no machine's IPv6 address; null when it is one. */
function wrongIpv6(text: string): string | null {
  const value = parseIpv6(text);
  if (value === null) {
    const zone = text.includes('%') ? '; leave out the zone behind %' : '';
    return `"${text}" is not an IPv6 address; write it like fd00:16::7${zone}`;
  }
  if (!isUnicastIpv6(value)) return `${text} is no address of a machine (multicast, unspecified, loopback or IPv4-mapped)`;
  return null;
}

function wrongCidr6(text: string): string | null {
  const [base = '', bits = ''] = text.split('/');
  const value = parseIpv6(base);
  if (value === null || !/^\d{1,3}$/.test(bits) || Number(bits) > 128) {
    return `"${text}" is not an IPv6 prefix; write it like fd00:16::/64`;
  }
  if (parseCidr6(text) === null)
    return `${text} has bits set beyond its /${bits}: it names a host, not a network; write the network's first address`;
  if (!isUnicastIpv6(value) || isLinkLocal(value))
    return `${text} is not a prefix that a subnet can have; link-local addresses need none, write a global or unique local prefix`;
  return null;
}
