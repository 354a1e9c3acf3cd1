/**
 * What stands in the store, as values. JSON, a few hundred bytes each, checked by shape when read; fields that a later version added are
 * kept. Never a frame, never a password.
 */
import { z } from 'zod';
import { parseCidr, parseIpv4 } from '../base/address.ts';
import { parseMac } from '../base/mac.ts';
import { ASSIST_ON } from '../base/network.ts';

const name = z.string().min(1).max(253);
const mac = z.string().refine((text) => parseMac(text) !== null, { error: 'not a MAC address' });
const ipv4 = z.string().refine((text) => parseIpv4(text) !== null, { error: 'not an IPv4 address' });
const cidr = z.string().refine((text) => parseCidr(text) !== null, { error: 'not an IPv4 prefix' });
const wallMs = z.number().nonnegative();
const probe = z.union([z.boolean(), z.looseObject({ tcp: z.int().min(1).max(65_535) })]);

/** Who holds a HAVIP. `instance` null: nobody, since the holder withdrew or an operator unbound it. */
const binding = z.looseObject({
  instance: name.nullable(),
  host: name,
  mac: mac.nullable(),
  vtep: ipv4.nullable(),
  sinceMs: wallMs,
  /** When the claim was decided, on its own host's wall clock: it chooses between claims that nobody could order, and nothing else. */
  startMs: wallMs,
  cause: z.string().max(40).nullable(),
  from: name.nullable(),
  /** For how long a claim that would move it back is held, on every host from the arrival of this. */
  holdMs: z.number().min(0).max(60_000),
  phasesMs: z.record(z.string(), z.number()).optional(),
  /** Of the proposal that wrote it. */
  id: z.string().min(1).max(80),
});

/** Cause of a binding of nobody that an operator wrote: only an announcement binds the HAVIP again. */
export const UNBOUND = 'unbound';

const port = z.looseObject({ instance: name, subnet: name, mac, addresses: z.array(ipv4).max(256), vtep: ipv4.nullable() });
const sign = z.looseObject({ host: name, kind: z.literal('link-down'), agoMs: z.number().nonnegative() });
const host = z.looseObject({ vtep: ipv4.nullable(), version: z.string().max(80), startedMs: wallMs, bootId: z.string().max(80) });

const net = z.looseObject({ cidr, quota: z.int().nonnegative(), havips: z.int().nonnegative(), subnets: z.int().nonnegative() });
const subnet = z.looseObject({
  cidr,
  gateway: ipv4.nullable(),
  probe,
  sources: z.enum(['checked', 'any']).optional(),
});
/** By whom and when, and with which key, as text for people. */
const allocated = z.looseObject({ by: z.string().max(400), at: z.string().max(40), key: z.string().max(200).nullable() });
const havip = z.looseObject({
  subnet: name,
  address: ipv4,
  members: z.array(name).max(10).nullable(),
  fence: z.boolean(),
  assist: z.looseObject({ on: z.array(z.enum(ASSIST_ON)), hasten: z.boolean() }).nullable(),
  verify: z.union([z.boolean(), z.literal('auto')]),
  probe,
  vrid: z.int().min(1).max(255).nullable().optional(),
  allocated: allocated.optional(),
});
const address = z.looseObject({ havip: name.optional(), instance: name.optional() });
/** A public address that follows the holder of a HAVIP. */
const eip = z.looseObject({ address: ipv4, havip: name });
const configPort = z.looseObject({ instance: name, subnet: name, addresses: z.array(ipv4).max(256) });

export const SHAPES = { binding, port, sign, host, net, subnet, havip, address, eip, 'config-port': configPort } as const;

export type Kind = keyof typeof SHAPES;
export type ValueOf<K extends Kind> = z.output<(typeof SHAPES)[K]>;

export type BindingRecord = ValueOf<'binding'>;
export type PortRecord = ValueOf<'port'>;
export type Sign = ValueOf<'sign'>;
export type HostRecord = ValueOf<'host'>;

/** Which value: `id` is the HAVIP, the instance, the subnet, the MAC, the address in hex or the host; empty for `net`. */
export interface Key<K extends Kind = Kind> {
  readonly kind: K;
  /** Empty for a host. */
  readonly vpc: string;
  readonly id: string;
  /** Of a port: `id` is its interface on this host. */
  readonly host?: string;
}

/** A value with its place in the store's order; of a deleted key `value` is null and `version` 0. */
export type Item = {
  [K in Kind]: Key<K> & { readonly value: ValueOf<K> | null; readonly revision: number; readonly version: number };
}[Kind];
