/**
 * Driver `store`: VPCs, subnets and HAVIPs in the store that hosts share, for VPCs that stand in no file. What is written is planned by the rules
 * against a reading of the VPC, and goes in one transaction (vpc-writes.ts):
 *
 *     allocate   compare net = seen, havip = 0, address = 0      put havip, address, net
 *     release    compare net = seen, havip = seen                delete havip, address, binding; put net
 *     unbind     compare binding = seen                          put binding of nobody
 */
import { formatCidr, formatIpv4, parseCidr, parseIpv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import type { Wish } from '../config/shape.ts';
import type { EtcdWriter } from '../fabric/etcd/writer.ts';
import { allConfigPrefix } from '../fabric/keys.ts';
import { UNBOUND, type BindingRecord, type Item, type Key, type Kind, type ValueOf } from '../fabric/records.ts';
import type { Allocated, Author, Catalogue, Listed } from './catalogue.ts';
import { CatalogueError } from './refusal.ts';
import { allocate, note } from './rules.ts';
import { subnetMisplaced } from './stored.ts';
import { isOf, type Of, type Plan, type Reading, VpcWrites } from './vpc-writes.ts';
import { assistOf, idOf, isSame, requestOf } from './wish.ts';

export interface StoreOptions {
  readonly writer: Pick<EtcdWriter, 'list' | 'write'>;
  readonly prefix: string;
  readonly wallMs: () => number;
  /** Is it a VPC of the file? Then it has no business in the store. */
  readonly isOfFile: (vpc: string) => boolean;
}

interface VpcListed {
  readonly id: string;
  readonly cidr: string;
  readonly quota: number;
  readonly havips: number;
  readonly subnets: number;
}

interface SubnetListed {
  readonly id: string;
  readonly vpc: string;
  readonly cidr: string;
  readonly gateway: string | null;
}

const HOLD_MS = 1000;
const UNBIND_TRIES = 5;
/** Writes that are no host's. */
const OPERATOR = 'operator';
const CHECKED = 'the shape was checked';

export class StoreCatalogue implements Catalogue {
  readonly #o: StoreOptions;
  readonly #vpcs: VpcWrites;

  constructor(options: StoreOptions) {
    this.#o = options;
    this.#vpcs = new VpcWrites(options.writer, options.prefix);
  }

  /** @param wish its VPC is said */
  allocate(wish: Wish, author: Author): Promise<Allocated> {
    const id = idOf(wish, author.key);
    const vpc = wish.vpc ?? '';
    return this.#vpcs.do(vpc, id, (reading) => this.#planAllocation(reading, id, wish, author));
  }

  release(id: string, vpc: string | null, _author: Author): Promise<{ readonly id: string; readonly vpc: string }> {
    return this.#vpcs.do(vpc ?? '', id, ({ havips, net }) => {
      const there = havips.find((one) => one.id === id);
      if (there === undefined) throw new CatalogueError('no-havip', `there is no HAVIP "${id}" in VPC ${net.vpc}`);
      havips.splice(havips.indexOf(there), 1);
      const key = this.#vpcs.key(there);
      const address = this.#vpcs.addressKey(net.vpc, must(parseIpv4(there.value.address), CHECKED));
      const binding = this.#vpcs.key({ kind: 'binding', vpc: net.vpc, id });
      return { compare: [[key, there.revision]], delete: [key, address, binding], answer: { id, vpc: net.vpc } };
    });
  }

  /** The instance that held it; null: nobody did, as far as the store knows. */
  async unbind(id: string, vpc: string): Promise<string | null> {
    const key: Key = { kind: 'binding', vpc, id };
    const text = this.#vpcs.key(key);
    for (let tries = 1; tries <= UNBIND_TRIES; tries++) {
      const found = (await this.#vpcs.items([text])).filter(isOf('binding')).find((one) => one.id === id) ?? null;
      const held = found?.value ?? null;
      if (held !== null && held.instance === null && held.cause === UNBOUND) return null;
      const nobody = JSON.stringify(this.#nobodyAfter(held));
      if (await this.#vpcs.write({ compare: [[text, found?.revision ?? 0]], put: [[text, nobody]], delete: [] }))
        return held?.instance ?? null;
    }
    throw new CatalogueError('beaten', `hosts claimed it first, ${UNBIND_TRIES} times in a row; try again`);
  }

  async list(): Promise<Listed[]> {
    return (await this.#all()).filter(isOf('havip')).map(({ id, vpc, value }) => {
      const { subnet, address, members, allocated } = value;
      return { id, vpc, subnet, address, members, allocated: allocated ?? null };
    });
  }

  async vpcs(): Promise<VpcListed[]> {
    const items = await this.#all();
    const count = (kind: Kind, vpc: string) => items.filter((one) => one.kind === kind && one.vpc === vpc).length;
    return items.filter(isOf('net')).map(({ vpc, value }) => {
      const { cidr, quota } = value;
      return { id: vpc, cidr, quota, havips: count('havip', vpc), subnets: count('subnet', vpc) };
    });
  }

  async subnets(): Promise<SubnetListed[]> {
    const subnets = (await this.#all()).filter(isOf('subnet'));
    return subnets.map(({ id, vpc, value }) => ({ id, vpc, cidr: value.cidr, gateway: value.gateway }));
  }

  async addVpc(vpc: string, cidrText: string, quota: number): Promise<void> {
    const cidr = parseCidr(cidrText);
    if (cidr === null) throw new CatalogueError('malformed', `"${cidrText}" is not an IPv4 prefix; write it like 172.17.0.0/16`);
    if (this.#o.isOfFile(vpc)) throw new CatalogueError('elsewhere', `VPC ${vpc} stands in the file; take it out there first`);
    const key = this.#vpcs.key({ kind: 'net', vpc, id: '' });
    const net: ValueOf<'net'> = { cidr: formatCidr(cidr), quota, havips: 0, subnets: 0 };
    const written = await this.#vpcs.write({ compare: [[key, 0]], put: [[key, JSON.stringify(net)]], delete: [] });
    if (!written) throw new CatalogueError('id-taken', `there is a VPC "${vpc}" already`);
  }

  removeVpc(vpc: string): Promise<void> {
    return this.#vpcs.do(vpc, null, (reading) => {
      const { length } = reading.subnets;
      if (length > 0) throw new CatalogueError('in-use', `VPC ${vpc} has ${length} subnets; remove them first`);
      reading.gone = true;
      return { compare: [[this.#vpcs.key(reading.net), reading.net.revision]], answer: undefined };
    });
  }

  addSubnet(vpc: string, id: string, value: ValueOf<'subnet'>): Promise<void> {
    return this.#vpcs.do(vpc, null, ({ net, subnets, site }) => {
      const cidr = parseCidr(value.cidr);
      const gateway = value.gateway === null ? null : parseIpv4(value.gateway);
      if (cidr === null)
        throw new CatalogueError('malformed', `"${value.cidr}" is not an IPv4 prefix; write it like 172.17.16.0/24`);
      if (value.gateway !== null && gateway === null)
        throw new CatalogueError('malformed', `"${value.gateway}" is not an IPv4 address`);
      if (subnets.some((one) => one.id === id)) throw new CatalogueError('id-taken', `VPC ${vpc} has a subnet "${id}" already`);
      const why = subnetMisplaced({ cidr, gateway }, must(parseCidr(net.value.cidr), CHECKED), site.subnets);
      if (why !== null) throw new CatalogueError('misplaced', `VPC ${vpc} cannot have it: ${why}`);
      const key = this.#vpcs.key({ kind: 'subnet', vpc, id });
      subnets.push({ kind: 'subnet', vpc, id, value, revision: 0, version: 0 });
      return { compare: [[key, 0]], put: [[key, JSON.stringify(value)]], answer: undefined };
    });
  }

  removeSubnet(vpc: string, id: string): Promise<void> {
    return this.#vpcs.do(vpc, null, ({ subnets, havips }) => {
      const there = subnets.find((one) => one.id === id);
      if (there === undefined) throw new CatalogueError('no-subnet', `VPC ${vpc} has no subnet "${id}"`);
      const { length } = havips.filter(({ value }) => value.subnet === id);
      if (length > 0) throw new CatalogueError('in-use', `subnet ${id} has ${length} HAVIPs; release them first`);
      subnets.splice(subnets.indexOf(there), 1);
      const key = this.#vpcs.key(there);
      return { compare: [[key, there.revision]], delete: [key], answer: undefined };
    });
  }

  #planAllocation({ net, subnets, havips, site }: Reading, id: string, wish: Wish, author: Author): Plan<Allocated> {
    const there = havips.find((one) => one.id === id);
    if (there !== undefined) return { answer: againOf(there, wish, author) };
    const request = requestOf(id, wish);
    const given = allocate(site, request);
    if ('refusal' in given) throw new CatalogueError(given.refusal.code, given.refusal.message);
    const { vpc } = net;
    const address = formatIpv4(given.address);
    const value = this.#valueOf(wish, address, subnets, author);
    const key: Key<'havip'> = { kind: 'havip', vpc, id };
    const [text, place] = [this.#vpcs.key(key), this.#vpcs.addressKey(vpc, given.address)];
    note(site, request, given.address);
    havips.push({ ...key, value, revision: 0, version: 0 });
    return {
      compare: [
        [text, 0],
        [place, 0],
      ],
      put: [
        [text, JSON.stringify(value)],
        [place, JSON.stringify({ havip: id })],
      ],
      answer: { id, vpc, subnet: wish.subnet, address, members: wish.members ?? null, again: false },
    };
  }

  #valueOf(wish: Wish, address: string, subnets: readonly Of<'subnet'>[], { by, key }: Author): ValueOf<'havip'> {
    const { subnet, members, fence, verify, probe, vrid } = wish;
    return {
      subnet,
      address,
      members: members ?? null,
      fence,
      assist: assistOf(wish),
      verify,
      probe: probe ?? subnets.find(({ id }) => id === subnet)?.value.probe ?? false,
      vrid: vrid ?? null,
      allocated: { by, at: new Date(this.#o.wallMs()).toISOString(), key },
    };
  }

  #nobodyAfter(held: BindingRecord | null): BindingRecord {
    const nowMs = this.#o.wallMs();
    const id = `${OPERATOR}-${nowMs.toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
    const when = { sinceMs: nowMs, startMs: nowMs, holdMs: HOLD_MS };
    return { instance: null, host: OPERATOR, mac: null, vtep: null, ...when, cause: UNBOUND, from: held?.instance ?? null, id };
  }

  #all(): Promise<Item[]> {
    return this.#vpcs.items([allConfigPrefix(this.#o.prefix)]);
  }
}

/** The id is there: by this very wish, or by somebody else's. */
function againOf({ id, vpc, value }: Of<'havip'>, wish: Wish, { key }: Author): Allocated {
  if (key === null || value.allocated?.key !== key)
    throw new CatalogueError('id-taken', `there is a HAVIP "${id}" already, in VPC ${vpc}; choose another id`);
  const { subnet, address, members, fence, verify, probe, vrid } = value;
  const was = {
    subnet,
    address,
    fence,
    verify,
    probe,
    members: members ?? undefined,
    vrid: vrid ?? undefined,
    assist: wish.assist,
  };
  if (!isSame(wish, was, vpc))
    throw new CatalogueError('key-reused', `this key was used for another wish, by which HAVIP ${id} was allocated`);
  return { id, vpc, subnet, address, members, again: true };
}
