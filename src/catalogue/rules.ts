/**
 * What may be allocated: the rules, for files and for the store alike, each with a refusal of its own. Pure.
 *
 * A site is a VPC as it stands, with all that has an address in it. Whoever allocates several HAVIPs in a row notes each, so that the next one
 * finds it taken.
 */
import { cidrContains, cidrLast, formatCidr, formatIpv4, parseIpv4, type Cidr, type Ipv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { MEMBERS_MAX } from '../config/shape.ts';
import type { WriteRefusal, RefusalCode } from './refusal.ts';

export interface SubnetSite {
  readonly id: string;
  readonly cidr: Cidr;
  readonly gateway: Ipv4 | null;
}

/** Who has an address: `HAVIP web`, `port tap7`. */
export interface Owner {
  readonly kind: 'havip' | 'fixed';
  readonly name: string;
}

export interface Site {
  readonly vpc: string;
  readonly quota: number;
  readonly subnets: readonly SubnetSite[];
  readonly owners: Map<Ipv4, Owner>;
  havips: number;
  /** By VRRP router id: the HAVIP that named it first, and who may claim that one. */
  readonly vrids: Map<number, { readonly id: string; readonly machines: string }>;
  /** Where an instance has ports, as far as is known here. */
  readonly homes: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface Request {
  readonly id: string;
  readonly subnet: string;
  /** null: the lowest free one. */
  readonly address: Ipv4 | null;
  readonly members: readonly string[] | null;
  readonly vrid: number | null;
}

/** Where clouds answer their guests' questions about themselves. */
const METADATA: ReadonlySet<Ipv4> = new Set(['169.254.169.254', '169.254.169.253'].map((text) => must(parseIpv4(text), text)));

/** The address that is allocated, or why none is. The site is as it was: see note(). */
export function allocate(site: Site, request: Request): { readonly address: Ipv4 } | { readonly refusal: WriteRefusal } {
  const subnet = site.subnets.find(({ id }) => id === request.subnet);
  if (subnet === undefined) return no('no-subnet', `VPC ${site.vpc} has no subnet "${request.subnet}"; ${namesOf(site)}`);
  const refusal = membersRefused(site, request) ?? vridRefused(site, request) ?? quotaRefused(site);
  if (refusal !== null) return { refusal };
  if (request.address === null) {
    const address = lowestFree(site, subnet);
    if (address !== null) return { address };
    return no('full', `${subnet.id} (${formatCidr(subnet.cidr)}) has no free address`);
  }
  const problem = addressRefused(site, subnet, request.address);
  return problem === null ? { address: request.address } : { refusal: problem };
}

/** It is allocated. */
export function note(site: Site, request: Request, address: Ipv4): void {
  const { id, vrid } = request;
  site.owners.set(address, { kind: 'havip', name: `HAVIP ${id}` });
  site.havips++;
  if (vrid !== null && !site.vrids.has(vrid)) site.vrids.set(vrid, { id, machines: machinesOf(request) });
}

/** HAVIPs of one virtual router are of one subnet and the same machines: else two clusters would own one name. */
function vridRefused({ vrids }: Site, request: Request): WriteRefusal | null {
  const first = request.vrid === null ? undefined : vrids.get(request.vrid);
  if (first === undefined || first.machines === machinesOf(request)) return null;
  const message = `vrid ${request.vrid} is already that of HAVIP ${first.id}, which other machines may claim; choose another`;
  return { code: 'vrid', message };
}

function machinesOf({ subnet, members }: Pick<Request, 'subnet' | 'members'>): string {
  return `${subnet} ${members === null ? '*' : members.toSorted().join(' ')}`;
}

/** Why no HAVIP may have this address; null: one may. */
function addressRefused(site: Site, subnet: SubnetSite, address: Ipv4): WriteRefusal | null {
  const where = `${subnet.id} (${formatCidr(subnet.cidr)})`;
  const text = formatIpv4(address);
  if (!cidrContains(subnet.cidr, address))
    return { code: 'outside-subnet', message: `${text} is outside ${where}; choose an address of that subnet` };
  const role = roleOf(subnet, address);
  if (role !== null) {
    const name = role === 'gateway' ? 'gateway' : `${role} address`;
    return { code: role, message: `${text} is the ${name} of ${where}; choose another address of that subnet` };
  }
  const owner = site.owners.get(address);
  if (owner === undefined) return null;
  if (owner.kind === 'fixed')
    return { code: 'fixed-address', message: `${text} is the fixed address of ${owner.name}; choose a free address` };
  return { code: 'taken', message: `${text} already belongs to ${owner.name} of this VPC; choose a free address` };
}

function roleOf({ cidr, gateway }: SubnetSite, address: Ipv4): 'network' | 'broadcast' | 'gateway' | 'metadata' | null {
  if (address === gateway) return 'gateway';
  if (METADATA.has(address)) return 'metadata';
  if (cidr.bits > 30) return null;
  return address === cidr.base ? 'network' : address === cidrLast(cidr) ? 'broadcast' : null;
}

function lowestFree(site: Site, subnet: SubnetSite): Ipv4 | null {
  const last = cidrLast(subnet.cidr);
  for (let address = subnet.cidr.base; address <= last; address++) {
    if (!site.owners.has(address) && roleOf(subnet, address) === null) return address;
  }
  return null;
}

function quotaRefused({ vpc, quota, havips }: Site): WriteRefusal | null {
  if (havips < quota) return null;
  return {
    code: 'quota',
    message: `VPC ${vpc} has ${havips} HAVIPs, and its quota is ${quota}; release one, or raise \`quota\``,
  };
}

function membersRefused({ homes }: Site, { members, subnet }: Request): WriteRefusal | null {
  if (members === null) return null;
  if (members.length > MEMBERS_MAX)
    return { code: 'members', message: `${members.length} members are too many; a HAVIP has at most ${MEMBERS_MAX}` };
  const twice = members.find((member, m) => members.indexOf(member) < m);
  if (twice !== undefined) return { code: 'members', message: `member "${twice}" is named twice; name it once` };
  const stray = members.find((member) => homes.get(member)?.has(subnet) === false);
  if (stray === undefined) return null;
  const where = [...(homes.get(stray) ?? [])].join(', ');
  return { code: 'no-home', message: `"${stray}" has no port in ${subnet}, only in ${where}: it could never claim the HAVIP` };
}

function namesOf({ subnets }: Site): string {
  return subnets.length === 0 ? 'it has none' : `name one of ${subnets.map(({ id }) => id).join(', ')}`;
}

function no(code: RefusalCode, message: string): { readonly refusal: WriteRefusal } {
  return { refusal: { code, message } };
}
