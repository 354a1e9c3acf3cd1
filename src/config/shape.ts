/**
 * The shape of the configuration file: which keys there are, what each may hold, and what it is when left out. Main thread.
 * Only what can be said of one value alone stands here; how values fit together is config/cross.ts.
 */
import { z } from 'zod';
import { parseCidr, parseIpv4 } from '../base/address.ts';
import { isLinkLocal, isUnicastIpv6, parseCidr6, parseIpv6 } from '../base/ipv6.ts';
import { isUnicastMac, parseMac } from '../base/mac.ts';
import { ASSIST_ON, MAX_PORTS, MAX_UPLINKS } from '../base/network.ts';
import { parseListen } from './listen.ts';

export const MEMBERS_MAX = 10;
const ROUTERS_MAX = 16;
const NOTIFY_MAX = 8;

/** Longest interface name in bytes: IFNAMSIZ without its final zero. */
const INTERFACE_NAME_MAX = 15;

const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$/;
/** The kernel's dev_valid_name(), less what a switch's tools read as a pattern or a quote. */
const INTERFACE = /^[!-~]+$/;
const INTERFACE_REFUSED = /[/:"\\*]/;
const TABLE = /^[A-Za-z][A-Za-z0-9_]{0,30}$/;

/** Also a name that a file may have. */
export function isId(text: string): boolean {
  return ID.test(text);
}

const id = z.string().refine((text) => ID.test(text), {
  error: 'must be 1 to 63 letters, digits, ".", "_", ":" or "-", and begin with a letter or digit',
});

const address = z.string().refine((text) => parseIpv4(text) !== null, { error: (issue) => wrongAddress(String(issue.input)) });

const gateway = z.string().refine((text) => parseIpv4(text) !== null, {
  error: ({ input }) => {
    const text = String(input);
    return parseIpv6(text) === null ? wrongAddress(text) : `${text}: this is an IPv6 address; write it as \`ipv6: { gateway }\``;
  },
});

const address6 = z.string().superRefine((text, context) => {
  const problem = wrongIpv6(text);
  if (problem !== null) context.addIssue(problem);
});

/** Of a port. */
const anyAddress = z.string().superRefine((text, context) => {
  const problem = text.includes(':') ? wrongIpv6(text) : parseIpv4(text) === null ? wrongAddress(text) : null;
  if (problem !== null) context.addIssue(problem);
});

const cidr6 = z.string().superRefine((text, context) => {
  const problem = wrongCidr6(text);
  if (problem !== null) context.addIssue(problem);
});

const cidr = z.string().refine((text) => parseCidr(text) !== null, { error: (issue) => wrongCidr(String(issue.input)) });

const mac = z.string().superRefine((text, context) => {
  const value = parseMac(text);
  if (value === null) context.addIssue(`"${text}" is not a MAC address; write six octets like 02:00:ac:11:10:07`);
  else if (!isUnicastMac(value))
    context.addIssue(`${text} is not a unicast MAC; a port's own MAC has an even first octet and is not zero`);
});

const interfaceName = z.string().superRefine((text, context) => {
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

const listen = z.string().refine((text) => parseListen(text) !== null, {
  error: 'must be HOST:PORT like 127.0.0.1:9712, or unix:/run/havip.sock',
});

const subnet = z.strictObject({
  id,
  cidr,
  gateway: gateway.optional(),
  /** Without it a guest may speak for every IPv6 address that nobody is known to have. */
  ipv6: z
    .strictObject({
      cidr: cidr6,
      gateway: address6.optional(),
      /** Link-local addresses of routers. */
      routers: z.array(address6).max(ROUTERS_MAX).default([]),
      addresses: z.enum(['listed', 'slaac']).default('listed'),
    })
    .optional(),
  /** Which IPv4 sources its ports may use: their own and their HAVIPs, or any. */
  sources: z.enum(['checked', 'any']).default('checked'),
  /** Default of `probe` for the HAVIPs of this subnet. */
  probe: z.boolean().default(false),
});

const havip = z.strictObject({
  id,
  subnet: z.string(),
  address,
  members: z.array(z.string().min(1)).max(MEMBERS_MAX).optional(),
  /** Only the holder may send IP packets with this source; false for LVS direct return. */
  fence: z.boolean().default(true),
  /** VRRP virtual router id that is its cluster's alone in the VPC; without it the first that lives with one has it. */
  vrid: z.int().min(1).max(255).optional(),
  /** Speak a dead holder's last VRRP advert once more, with priority 0; in version 3 with a short interval first, unless `resign-only`. */
  assist: z
    .union([z.enum(['resign', 'resign-only']), z.strictObject({ on: z.array(z.enum(ASSIST_ON)).min(1) })], {
      error: 'must be resign, resign-only or { on: [link-down, hung] }',
    })
    .optional(),
  /** Ask a silent holder by unicast ARP whether it still has the address. */
  verify: z.union([z.boolean(), z.literal('auto')]).default('auto'),
  /** Measure reachability by ICMP echo. */
  probe: z.boolean().optional(),
});

const vpc = z.strictObject({
  id,
  cidr,
  /** HAVIPs, counted when one is allocated (catalogue/rules.ts) and not when the file is read. */
  quota: z.int().min(0).max(1_000_000).default(10),
  subnets: z.array(subnet).default([]),
  havips: z.array(havip).default([]),
});

/** What somebody wants allocated: a HAVIP without an address takes the lowest free one, one without an id is given one. */
export const WISH = havip.partial({ id: true, address: true }).extend({
  vpc: z.string().optional(),
  /** How many there may be is the catalogue's to say. */
  members: z.array(id).optional(),
});

const port = z.strictObject({
  interface: interfaceName,
  instance: id,
  subnet: z.string(),
  /** Of a subnet that stands in the store, the VPC that it is in. */
  vpc: z.string().optional(),
  mac,
  addresses: z.array(anyAddress).default([]),
  /** A guest that routes, translates addresses or serves DHCP. */
  router: z.boolean().default(false),
});

const uplink = z.strictObject({
  interface: interfaceName,
  vpc: z.string(),
  /** Who is believed that claims a HAVIP there: members on other hosts, or nobody. */
  trust: z.enum(['members', 'none']).default('members'),
  /** A VXLAN device's table of MACs: it learns by itself; the agent writes it; a routing daemon does, and nobody else touches it. */
  fdb: z.enum(['learn', 'program', 'evpn']).default('learn'),
  /** While the store is away, who claims a HAVIP there has it. */
  awayClaims: z.boolean().default(true),
});

/** A machine on another host. */
const peer = z.strictObject({
  instance: id,
  vpc: z.string(),
  mac,
  addresses: z.array(address).default([]),
  /** Its host's address in the underlay. */
  vtep: address.optional(),
});

/** An address of the outside that leads to a HAVIP's holder. */
const eip = z.strictObject({ id, address, havip: z.string() });

/** Where the outside is. Addresses are translated one to one, without a memory of connections. */
const external = z.strictObject({
  interface: interfaceName,
  /** The router outside, by which answers leave. */
  gateway: address,
  /** Destinations to which a HAVIP goes under its own address. */
  notNat: z.array(cidr).max(8).default(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']),
});

const nftables = z.strictObject({
  driver: z.literal('nftables').default('nftables'),
  /** Name of the one table that is the agent's own. */
  table: z
    .string()
    .refine((text) => TABLE.test(text), { error: 'must be 1 to 31 letters, digits or "_", and begin with a letter' })
    .default('havip'),
});

const memory = z.strictObject({ driver: z.literal('memory') });

/** Each driver of the virtual switch has settings of its own; the first is the one that a file without a word of it means. */
const vswitch = z.discriminatedUnion('driver', [nftables, memory]);

const MEMBER = /^https?:\/\/(?:\[[0-9a-f:.]+\]|[^\s/:@?#[\]]+):\d{1,5}$/i;

/** Who is told of events. */
const notify = z.union(
  [
    z.strictObject({
      exec: z
        .array(z.string())
        .min(1)
        .refine(([program = '']) => program.startsWith('/'), { error: 'must begin with the absolute path of a program' }),
    }),
    z.strictObject({
      webhook: z.string().refine(isWebhook, { error: 'must be an address like https://HOST/PATH, without user' }),
    }),
  ],
  { error: 'must be { exec: [/PATH, ARGUMENT, ...] } or { webhook: https://HOST/PATH }' },
);

const path = z.string().refine((text) => text.startsWith('/'), { error: 'must be an absolute path' });

/** Where hosts agree on who holds what; without it this host is alone. */
const store = z.strictObject({
  endpoints: z
    .array(z.string().refine((text) => MEMBER.test(text), { error: 'must be http://HOST:PORT or https://HOST:PORT' }))
    .min(1),
  /** All keys begin with it. */
  prefix: z
    .string()
    .refine((text) => /^(\/[A-Za-z0-9._-]+)+$/.test(text), { error: 'must be like /havip/v1, without a slash at its end' })
    .default('/havip/v1'),
  /** PEM files. With a client certificate its common name is the store's user. */
  tls: z.strictObject({ ca: path, cert: path.optional(), key: path.optional() }).optional(),
  user: z.string().min(1).optional(),
  passwordFile: path.optional(),
  /** For so long after its last sign a host counts as there. Nothing is withdrawn when that is over. */
  leaseSeconds: z.int().min(5).max(600).default(30),
});

export const SHAPE = z.strictObject({
  /** vtep: this host's address in the underlay, for other hosts' tunnels. */
  host: z.strictObject({ id, vtep: address.optional() }),
  vpcs: z.array(vpc).default([]),
  ports: z.array(port).max(MAX_PORTS).default([]),
  uplinks: z.array(uplink).max(MAX_UPLINKS).default([]),
  peers: z.array(peer).default([]),
  eips: z.array(eip).default([]),
  external: external.optional(),
  capture: z
    .strictObject({
      source: z.enum(['ring', 'libpcap']).default('ring'),
      workers: z.int().min(1).max(64).default(1),
      /** Memory of each port's capture ring; without it the daemon chooses by the number of ports. */
      ringKiB: z.int().min(64).max(65_536).optional(),
    })
    .prefault({}),
  vswitch: vswitch.prefault({}),
  store: store.optional(),
  mode: z.enum(['enforce', 'audit']).default('enforce'),
  /** What is on a bridge of ports or uplinks and is neither: said, or, where a guest may be behind it, also shut. */
  strangers: z.enum(['allow', 'deny']).default('allow'),
  /** The agent silent for so long, the switch lets flow map and fence go by itself; 0: never. */
  failsafeSeconds: z.int().min(0).max(86_400).default(10),
  http: z.strictObject({ listen: listen.default('127.0.0.1:9712') }).prefault({}),
  /** bindings: one series per HAVIP that says who holds it, while there are not too many. */
  metrics: z.strictObject({ bindings: z.boolean().default(false) }).prefault({}),
  /** Told of every event: programs, with it on stdin, and addresses that are posted to. */
  notify: z.array(notify).max(NOTIFY_MAX).default([]),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

export type Shape = z.output<typeof SHAPE>;
export type Wish = z.output<typeof WISH>;

function isWebhook(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

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
