/**
 * How the IPv6 values of a configuration fit together: the twin of cross.ts, over the same draft. Main thread; linear, and nothing where
 * no IPv6 is written.
 *
 * Beside the addresses that are listed a port has those that it makes of its MAC (base/rights.ts ownIpv6): nobody else may list them.
 */
import { cidr6Contains, cidrs6Overlap, eui64, formatCidr6, ipv6Words, isLinkLocal, isSlaacPrefix } from '../base/ipv6.ts';
import { LINK_LOCAL_PREFIX, parseCidr6, parseIpv6 } from '../base/ipv6.ts';
import type { Cidr6, Ipv6 } from '../base/ipv6.ts';
import { parseMac } from '../base/mac.ts';
import { mayBond } from '../base/rights.ts';
import type { Draft } from './cross.ts';
import type { Path, Report } from './path.ts';
import type { Shape } from './shape.ts';

type PortDraft = NonNullable<NonNullable<Draft<Shape>['ports']>[number]>;
type Ipv6Draft = NonNullable<NonNullable<NonNullable<NonNullable<Draft<Shape>['vpcs']>[number]>['subnets']>[number]>['ipv6'];

interface Site {
  readonly id: string;
  readonly vpc: number;
  /** null: the subnet has no `ipv6`. `undefined`: one whose prefix is not known. */
  readonly cidr: Cidr6 | null | undefined;
}

/** Who has an address, and how it is called in a message. */
interface Owner {
  readonly name: string;
  /** Position in `ports`; null for a router or gateway. */
  readonly port: number | null;
  /** The port itself. */
  readonly draft?: PortDraft;
  readonly listed: boolean;
}

class Addresses {
  readonly #report: Report;
  readonly #sites = new Map<string, Site>();
  /** By VPC (its position in the file). */
  readonly #owners: Map<Ipv6, Owner>[] = [];

  constructor(report: Report) {
    this.#report = report;
  }

  vpc(subnets: readonly (Draft<Shape['vpcs'][number]['subnets'][number]> | undefined)[], v: number): void {
    this.#owners[v] = new Map();
    const placed: { cidr: Cidr6; id: string; path: Path }[] = [];
    for (const [s, subnet] of subnets.entries()) {
      if (subnet?.id === undefined) continue;
      const path = ['vpcs', v, 'subnets', s, 'ipv6'];
      const cidr = subnet.ipv6 === undefined ? null : (parse(subnet.ipv6.cidr, parseCidr6) ?? undefined);
      const site = { id: subnet.id, vpc: v, cidr };
      this.#sites.set(subnet.id, site);
      if (subnet.ipv6 === undefined || !cidr) continue;
      placed.push({ cidr, id: subnet.id, path: [...path, 'cidr'] });
      this.#routers(subnet.ipv6, cidr, site, path);
    }
    reportOverlaps(placed, this.#report);
  }

  #routers(ipv6: NonNullable<Ipv6Draft>, cidr: Cidr6, site: Site, path: Path): void {
    const owners = this.#owners[site.vpc];
    if (ipv6.addresses === 'slaac' && !isSlaacPrefix(cidr)) {
      const message = `\`slaac\` needs a prefix of 64 bits, ${formatCidr6(cidr)} has ${cidr.bits}; write \`listed\`, or a /64 as \`cidr\``;
      this.#report([...path, 'addresses'], message);
    }
    const gateway = parse(ipv6.gateway, parseIpv6);
    if (gateway !== null) {
      const problem = isLinkLocal(gateway) ? null : misplaced(gateway, cidr, site);
      if (problem !== null) this.#report([...path, 'gateway'], `gateway ${problem}`);
      owners?.set(gateway, { name: `the gateway of ${site.id}`, port: null, listed: true });
    }
    for (const [r, text] of (ipv6.routers ?? []).entries()) {
      const router = parse(text, parseIpv6);
      if (router === null) continue;
      if (!isLinkLocal(router)) {
        const message = `${router} is not link-local; routers send from fe80::/64, write that address here and this one as \`gateway\``;
        this.#report([...path, 'routers', r], message);
      }
      owners?.set(router, { name: `a router of ${site.id}`, port: null, listed: true });
    }
  }

  /** The addresses that a port makes of its MAC. */
  derived(port: PortDraft, p: number): void {
    const site = this.#sites.get(port.subnet ?? '');
    const mac = parse(port.mac, parseMac);
    if (site === undefined || mac === null) return;
    const prefixes = [LINK_LOCAL_PREFIX, ...(site.cidr && isSlaacPrefix(site.cidr) ? [site.cidr.base] : [])];
    for (const address of prefixes.map((prefix) => eui64(prefix, mac))) {
      const earlier = this.#owners[site.vpc]?.get(address);
      if (earlier?.port === null && port.router !== true) {
        this.#report(
          ['ports', p, 'mac'],
          `this port makes ${address} of its MAC, which is ${earlier.name}; give the port \`router: true\`, or name another address there`,
        );
      }
      this.#owners[site.vpc]?.set(address, {
        name: `${nameOf(port)}, which makes it of its MAC`,
        port: p,
        draft: port,
        listed: false,
      });
    }
  }

  listed(port: PortDraft, p: number): void {
    const site = this.#sites.get(port.subnet ?? '');
    if (site === undefined) return;
    for (const [a, text] of (port.addresses ?? []).entries()) {
      const address = parse(text, parseIpv6);
      if (address === null) continue;
      const problem = this.#outside(address, site) ?? this.#own(address, site.vpc, port, p);
      if (problem !== null) this.#report(['ports', p, 'addresses', a], problem);
    }
  }

  #outside(address: Ipv6, site: Site): string | null {
    if (isLinkLocal(address) || site.cidr === undefined) return null;
    if (site.cidr === null)
      return `${address}: ${site.id} has no \`ipv6\`; give it \`ipv6: { cidr: ... }\` that ${address} is in, or leave the address out`;
    return misplaced(address, site.cidr, site);
  }

  #own(address: Ipv6, vpc: number, port: PortDraft, p: number): string | null {
    const owners = this.#owners[vpc];
    const earlier = owners?.get(address);
    owners?.set(address, { name: nameOf(port), port: p, draft: port, listed: true });
    if (earlier === undefined) return null;
    if (earlier.port === p) return earlier.listed ? `${address} is listed twice; list it once` : null;
    if (earlier.draft !== undefined && mayBond(earlier.draft, port)) return null;
    if (earlier.port === null && port.router === true) return null;
    owners?.set(address, earlier);
    if (earlier.port !== null) return `${address} already belongs to ${earlier.name}; choose a free address`;
    return `${address} is ${earlier.name}; choose another address, or give the port \`router: true\` if it is that router`;
  }
}

export function crossCheck6(draft: Draft<Shape>, report: Report): void {
  const vpcs = draft.vpcs ?? [];
  const ports = draft.ports ?? [];
  const isWritten =
    vpcs.some((vpc) => vpc?.subnets?.some((subnet) => subnet?.ipv6 !== undefined)) ||
    ports.some((port) => port?.addresses?.some((text) => text?.includes(':')));
  if (!isWritten) return;
  const addresses = new Addresses(report);
  for (const [v, vpc] of vpcs.entries()) addresses.vpc(vpc?.subnets ?? [], v);
  for (const [p, port] of ports.entries()) if (port !== undefined) addresses.derived(port, p);
  for (const [p, port] of ports.entries()) if (port !== undefined) addresses.listed(port, p);
}

function nameOf(port: PortDraft): string {
  return `port ${port.interface ?? 'without a name'}`;
}

function misplaced(address: Ipv6, cidr: Cidr6, site: Site): string | null {
  const where = `${site.id} (${formatCidr6(cidr)})`;
  if (!cidr6Contains(cidr, address)) return `${address} is outside ${where}; choose an address of that prefix`;
  // RFC 4291, 2.6.1: it means all routers of the subnet.
  if (cidr.bits < 127 && address === cidr.base)
    return `${address} is the subnet-router anycast address of ${where}; choose another address of that prefix`;
  return null;
}

/** Prefixes nest or are apart: sorted, one overlaps an earlier one exactly when the last that was not inside another covers it. */
function reportOverlaps(placed: { cidr: Cidr6; id: string; path: Path }[], report: Report): void {
  placed.sort((a, b) => compare(a.cidr.base, b.cidr.base) || a.cidr.bits - b.cidr.bits);
  let cover: (typeof placed)[number] | null = null;
  for (const subnet of placed) {
    if (cover === null || !cidrs6Overlap(cover.cidr, subnet.cidr)) cover = subnet;
    else {
      const [inner, outer] = [formatCidr6(subnet.cidr), formatCidr6(cover.cidr)];
      report(subnet.path, `${inner} overlaps ${cover.id} (${outer}); subnets of a VPC must not overlap`);
    }
  }
}

function compare(a: Ipv6, b: Ipv6): number {
  const [left, right] = [ipv6Words(a), ipv6Words(b)];
  for (const [i, word] of left.entries()) if (word !== right[i]) return (word >>> 0) - ((right[i] ?? 0) >>> 0);
  return 0;
}

function parse<T>(text: string | undefined, parser: (text: string) => T | null): T | null {
  return text === undefined ? null : parser(text);
}
