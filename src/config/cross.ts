/**
 * How the values of a configuration fit together: names that must exist, addresses that must lie where they are said to, nothing
 * twice. Main thread, linear in the size of the file (subnets of one VPC are sorted once).
 *
 * It works on a draft: the file without the values whose shape was already found wrong, so that one typing error neither hides
 * the other mistakes nor causes false ones.
 */
import { cidrContains, cidrInside, cidrLast, formatCidr, formatIpv4, parseCidr, parseIpv4 } from '../base/address.ts';
import type { Cidr, Ipv4 } from '../base/address.ts';
import { mayBond } from '../base/rights.ts';
import { Names } from './names.ts';
import type { Path, Report } from './path.ts';
import type { Shape } from './shape.ts';

export type Draft<T> = T extends readonly (infer U)[]
  ? readonly (Draft<U> | undefined)[]
  : T extends object
    ? { readonly [K in keyof T]?: Draft<T[K]> | undefined }
    : T;

/** What a driver of the virtual switch cannot work with, beyond what the configuration means by itself. */
export type DriverCheck = (draft: Draft<Shape>, report: Report) => void;
type VpcDraft = Draft<Shape['vpcs'][number]>;
type HavipDraft = Draft<Shape['vpcs'][number]['havips'][number]>;
type PortDraft = Draft<Shape['ports'][number]>;

interface SubnetSite {
  readonly id: string;
  /** Position of its VPC in the file. */
  readonly vpc: number;
  readonly cidr: Cidr | null;
  readonly gateway: Ipv4 | null;
}

/** The path of a thing, or of something in it. A function, because hardly any of 100,000 paths is ever needed. */
type At = (...steps: Path) => Path;

/** What has been named so far. */
interface Known {
  readonly report: Report;
  readonly subnets: Map<string, SubnetSite>;
  /** Those of the file: with a store, a name that is none of them is that of a VPC there. */
  readonly vpcs: ReadonlySet<string | undefined>;
  readonly stored: boolean;
  /** Some subnet or VPC has no usable id: then a name that is not found may be that one's, and is no mistake of its own. */
  nameless: boolean;
  /** By VPC (its position in the file): address -> who has it. */
  readonly owners: Map<Ipv4, PortDraft | HavipDraft>[];
}

export function crossCheck(draft: Draft<Shape>, report: Report): void {
  const vpcs = draft.vpcs ?? [];
  const known: Known = {
    report,
    subnets: new Map(),
    vpcs: new Set(vpcs.map((vpc) => vpc?.id)),
    stored: draft.store !== undefined,
    nameless: false,
    owners: vpcs.map(() => new Map()),
  };
  const ports = draft.ports ?? [];
  const vpcNames = new Names('id', report, (v) => ['vpcs', v, 'id']);
  for (const [v, vpc] of vpcs.entries()) {
    vpcNames.add(vpc?.id, v);
    if (vpc?.id === undefined) known.nameless = true;
  }
  const subnetNames = new Names('id', report, (place) => idInVpcs(vpcs, 'subnets', place));
  let subnetCount = 0;
  for (const [v, vpc] of vpcs.entries()) {
    for (const subnet of vpc?.subnets ?? []) subnetNames.add(subnet?.id, subnetCount++);
    if (vpc !== undefined) checkSubnets(vpc, v, known);
  }

  const interfaces = new Names('interface', report, (place) =>
    place < ports.length ? ['ports', place, 'interface'] : ['uplinks', place - ports.length, 'interface'],
  );
  const macs = new Names('MAC', report, (p) => ['ports', p, 'mac']);
  for (const [p, port] of ports.entries()) {
    interfaces.add(port?.interface, p);
    macs.add(port?.mac?.toLowerCase(), p, (first) => isBond(ports[first], port));
    if (port !== undefined) checkPort(port, p, known);
  }

  // After the ports: where a HAVIP and a fixed address collide, it is the HAVIP that must move.
  const havipNames = new Names('id', report, (place) => idInVpcs(vpcs, 'havips', place));
  let havipCount = 0;
  for (const [v, vpc] of vpcs.entries()) {
    const vrids = new Map<number, HavipDraft>();
    for (const [h, havip] of (vpc?.havips ?? []).entries()) {
      havipNames.add(havip?.id, havipCount++);
      if (havip === undefined) continue;
      checkHavip(havip, (...steps) => ['vpcs', v, 'havips', h, ...steps], v, known);
      if (havip.vrid !== undefined) checkVrid(havip, havip.vrid, () => ['vpcs', v, 'havips', h, 'vrid'], vrids, report);
    }
  }
  checkHomes(draft, report);
  if (draft.store !== undefined) checkStore(draft.store, report);
  const checkVpc = (vpc: string | undefined, path: Path) => {
    if (vpc !== undefined && !vpcNames.has(vpc) && !known.nameless && !known.stored)
      report(path, `there is no VPC "${vpc}"; name one of \`vpcs\``);
  };
  for (const [u, uplink] of (draft.uplinks ?? []).entries()) {
    interfaces.add(uplink?.interface, ports.length + u);
    checkVpc(uplink?.vpc, ['uplinks', u, 'vpc']);
  }
  for (const [p, peer] of (draft.peers ?? []).entries()) checkVpc(peer?.vpc, ['peers', p, 'vpc']);
  checkPeers(draft, known);
}

function checkStore(store: NonNullable<Draft<Shape>['store']>, report: Report): void {
  const { endpoints = [], tls, user, passwordFile } = store;
  for (const [i, endpoint] of endpoints.entries()) {
    if (tls !== undefined && endpoint?.startsWith('http:') === true)
      report(['store', 'endpoints', i], `${endpoint} is in clear text, and \`tls\` is set; write https://`);
    if (tls === undefined && endpoint?.startsWith('https:') === true)
      report(['store', 'endpoints', i], `${endpoint} needs \`tls\`: at least its \`ca\``);
  }
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined))
    report(['store', 'tls'], 'a client certificate is two files: `cert` and `key`');
  if ((user === undefined) !== (passwordFile === undefined))
    report(['store'], '`user` and `passwordFile` go together; a client certificate needs neither');
}

function checkSubnets(vpc: VpcDraft, v: number, known: Known): void {
  const vpcCidr = parse(vpc.cidr, parseCidr);
  const placed: { cidr: Cidr; name: string; path: Path }[] = [];
  for (const [s, subnet] of (vpc.subnets ?? []).entries()) {
    const at: At = (...steps) => ['vpcs', v, 'subnets', s, ...steps];
    const cidr = parse(subnet?.cidr, parseCidr);
    const gateway = parse(subnet?.gateway, parseIpv4);
    if (subnet?.id === undefined) known.nameless = true;
    else known.subnets.set(subnet.id, { id: subnet.id, vpc: v, cidr, gateway });
    if (cidr === null) continue;
    const name = subnet?.id ?? formatCidr(cidr);
    placed.push({ cidr, name, path: at('cidr') });
    if (vpcCidr !== null && !cidrInside(cidr, vpcCidr)) {
      known.report(at('cidr'), `subnet ${formatCidr(cidr)} is outside its VPC's ${formatCidr(vpcCidr)}`);
    }
    if (gateway === null) continue;
    const problem = misplaced(gateway, { id: name, vpc: v, cidr, gateway: null });
    if (problem !== null) known.report(at('gateway'), `gateway ${problem}`);
  }
  reportOverlaps(placed, known.report);
}

/** In order of their first address, a subnet overlaps an earlier one exactly when it begins before the furthest end so far. */
function reportOverlaps(placed: { cidr: Cidr; name: string; path: Path }[], report: Report): void {
  placed.sort((a, b) => a.cidr.base - b.cidr.base || a.cidr.bits - b.cidr.bits);
  let widest: (typeof placed)[number] | null = null;
  for (const subnet of placed) {
    if (widest !== null && subnet.cidr.base <= cidrLast(widest.cidr)) {
      report(
        subnet.path,
        `${formatCidr(subnet.cidr)} overlaps ${widest.name} (${formatCidr(widest.cidr)}); subnets of a VPC must not overlap`,
      );
    }
    if (widest === null || cidrLast(subnet.cidr) > cidrLast(widest.cidr)) widest = subnet;
  }
}

function checkPort(port: PortDraft, p: number, known: Known): void {
  const at: At = (...steps) => ['ports', p, ...steps];
  if (port.vpc !== undefined && !known.vpcs.has(port.vpc)) {
    if (!known.stored && !known.nameless) known.report(at('vpc'), `there is no VPC "${port.vpc}"; name one of \`vpcs\``);
    return;
  }
  const site = subnetOf(port.subnet, () => at('subnet'), known);
  if (port.vpc !== undefined && site !== null && [...known.vpcs][site.vpc] !== port.vpc)
    known.report(at('vpc'), `subnet "${site.id}" belongs to another VPC; leave \`vpc\` out`);
  for (const [a, text] of (port.addresses ?? []).entries()) {
    const address = parse(text, parseIpv4);
    if (address === null || site === null) continue;
    const problem = misplaced(address, site) ?? own(known, site.vpc, address, port);
    if (problem !== null) known.report(at('addresses', a), problem);
  }
}

function checkHavip(havip: HavipDraft, at: At, v: number, known: Known): void {
  if (havip.members !== undefined) checkMembers(havip.members, at, known.report);
  const site = subnetOf(havip.subnet, () => at('subnet'), known);
  const address = parse(havip.address, parseIpv4);
  if (site !== null && site.vpc !== v) {
    known.report(at('subnet'), `subnet "${site.id}" belongs to another VPC; name a subnet of this one`);
  } else if (site !== null && address !== null) {
    const problem = misplaced(address, site) ?? own(known, v, address, havip);
    if (problem !== null) known.report(at('address'), problem);
  }
}

/** HAVIPs of one virtual router are of one subnet and the same machines: else two clusters would own one name. */
function checkVrid(havip: HavipDraft, vrid: number, at: At, first: Map<number, HavipDraft>, report: Report): void {
  const earlier = first.get(vrid);
  if (earlier === undefined) {
    first.set(vrid, havip);
    return;
  }
  const machines = ({ subnet, members }: HavipDraft) =>
    `${subnet} ${members === undefined ? '*' : members.toSorted((a, b) => String(a).localeCompare(String(b))).join(' ')}`;
  if (machines(earlier) === machines(havip)) return;
  report(
    at(),
    `vrid ${vrid} is already that of HAVIP ${earlier.id ?? 'without an id'}, which other machines may claim; choose another`,
  );
}

function checkMembers(members: readonly (string | undefined)[], at: At, report: Report): void {
  for (const [m, member] of members.entries()) {
    if (member !== undefined && members.indexOf(member) < m)
      report(at('members', m), `member "${member}" is listed twice; list it once`);
  }
}

/** A member that has ports on this host, but none where the HAVIP is, can never claim it. */
function checkHomes({ vpcs = [], ports = [] }: Draft<Shape>, report: Report): void {
  const homes = new Map<string, { readonly interface: string; readonly subnet: string }[]>();
  for (const port of ports) {
    // Of a port that is not understood nobody knows where it is.
    if (port?.instance === undefined || port.subnet === undefined) continue;
    const known = homes.get(port.instance);
    const home = { interface: port.interface ?? 'without a name', subnet: port.subnet };
    if (known === undefined) homes.set(port.instance, [home]);
    else known.push(home);
  }
  if (ports.some((port) => port === undefined || port.instance === undefined || port.subnet === undefined)) return;
  for (const [v, vpc] of vpcs.entries())
    for (const [h, havip] of (vpc?.havips ?? []).entries())
      for (const [m, member] of (havip?.members ?? []).entries()) {
        const ports = homes.get(member ?? '');
        if (ports === undefined || havip?.subnet === undefined || ports.some(({ subnet }) => subnet === havip.subnet)) continue;
        const where = ports.map((port) => `${port.interface} in ${port.subnet}`).join(', ');
        report(
          ['vpcs', v, 'havips', h, 'members', m],
          `"${member}" has no port in ${havip.subnet}, only ${where}: it can never claim this HAVIP; give it a port there, or leave it out`,
        );
      }
}

/** MACs and addresses of machines on other hosts, against those of ports here, which only the same instance may share, and each other. */
function checkPeers(draft: Draft<Shape>, known: Known): void {
  const vpcAt = new Map((draft.vpcs ?? []).map((vpc, v) => [vpc?.id, v]));
  const portMacs = new Map((draft.ports ?? []).map((port) => [port?.mac?.toLowerCase(), port]));
  const peerMacs = new Map<string, number>();
  for (const [p, peer] of (draft.peers ?? []).entries()) {
    const mac = peer?.mac?.toLowerCase();
    const port = portMacs.get(mac);
    if (peer?.vpc === undefined || mac === undefined) continue;
    if (port !== undefined && port.instance !== peer.instance)
      known.report(['peers', p, 'mac'], `MAC "${mac}" is that of port ${port.interface ?? '?'}, which is another instance's`);
    const first = peerMacs.get(`${peer.vpc} ${mac}`);
    if (first !== undefined) known.report(['peers', p, 'mac'], `MAC "${mac}" is already used at peers[${first}].mac`);
    else peerMacs.set(`${peer.vpc} ${mac}`, p);
    const owners = known.owners[vpcAt.get(peer.vpc) ?? -1];
    for (const [a, text] of (peer.addresses ?? []).entries()) {
      const address = parse(text, parseIpv4);
      const owner = address === null ? undefined : owners?.get(address);
      if (owner === undefined || address === null || ('instance' in owner && owner.instance === peer.instance)) continue;
      known.report(['peers', p, 'addresses', a], `${formatIpv4(address)} already belongs to ${nameOf(owner)} of this VPC`);
    }
  }
}

function subnetOf(id: string | undefined, at: At, known: Known): SubnetSite | null {
  if (id === undefined) return null;
  const site = known.subnets.get(id);
  if (site === undefined && !known.nameless) {
    const beside = known.stored ? '; of one in the store say its `vpc` too' : '';
    known.report(at(), `there is no subnet "${id}"; name one of the VPCs' \`subnets\`${beside}`);
  }
  return site ?? null;
}

/** Why no machine may have this address in this subnet; null when one may. */
function misplaced(address: Ipv4, site: SubnetSite): string | null {
  if (site.cidr === null) return null;
  let role: string | null = null;
  if (address === site.gateway) role = 'gateway';
  else if (site.cidr.bits <= 30 && address === site.cidr.base) role = 'network address';
  else if (site.cidr.bits <= 30 && address === cidrLast(site.cidr)) role = 'broadcast address';
  const inside = cidrContains(site.cidr, address);
  if (inside && role === null) return null;
  const where = `${site.id} (${formatCidr(site.cidr)})`;
  if (!inside) return `${formatIpv4(address)} is outside ${where}; choose an address of that subnet`;
  return `${formatIpv4(address)} is the ${role} of ${where}; choose another address of that subnet`;
}

function isBond(a: PortDraft | undefined, b: PortDraft | undefined): boolean {
  return a !== undefined && b !== undefined && a.interface !== b.interface && mayBond(a, b);
}

/** Notes who has an address of a VPC; says so when another has it already. */
function own(known: Known, vpc: number, address: Ipv4, owner: PortDraft | HavipDraft): string | null {
  const owners = known.owners[vpc];
  const earlier = owners?.get(address);
  if (earlier === undefined) {
    owners?.set(address, owner);
    return null;
  }
  if (earlier !== owner && 'mac' in earlier && 'mac' in owner && isBond(earlier, owner)) return null;
  return `${formatIpv4(address)} already belongs to ${nameOf(earlier)} of this VPC; choose a free address`;
}

function nameOf(owner: PortDraft | HavipDraft): string {
  return 'mac' in owner ? `port ${owner.interface ?? 'without a name'}` : `HAVIP ${'id' in owner ? owner.id : 'without an id'}`;
}

function parse<T>(text: string | undefined, parser: (text: string) => T | null): T | null {
  return text === undefined ? null : parser(text);
}

/** Path of the id of the `place`-th subnet or HAVIP of the file. */
function idInVpcs(vpcs: NonNullable<Draft<Shape>['vpcs']>, list: 'subnets' | 'havips', place: number): Path {
  let index = place;
  for (const [v, vpc] of vpcs.entries()) {
    const count = vpc?.[list]?.length ?? 0;
    if (index < count) return ['vpcs', v, list, index, 'id'];
    index -= count;
  }
  return ['vpcs'];
}
