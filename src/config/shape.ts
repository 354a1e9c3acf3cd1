/**
 * The shape of the configuration file: which keys there are, what each may hold, and what it is when left out. Main thread.
 * Only what can be said of one value alone stands here, of texts in fields.ts; how values fit together is config/cross.ts.
 */
import { z } from 'zod';
import { ASSIST_ON, MAX_PORTS, MAX_UPLINKS } from '../base/network.ts';
import { address, address6, anyAddress, cidr, cidr6, gateway, id, interfaceName, listen, mac, probe } from './fields.ts';

export const MEMBERS_MAX = 10;
const ROUTERS_MAX = 16;
const NOTIFY_MAX = 8;

const TABLE = /^[A-Za-z][A-Za-z0-9_]{0,30}$/;

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
  probe: probe.default(false),
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
  probe: probe.optional(),
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
