/** How addresses of the outside fit the rest of the configuration. Main thread. */
import { type Cidr, cidrContains, cidrInside, parseCidr, parseIpv4 } from '../base/address.ts';
import type { Draft } from './cross.ts';
import type { Path, Report } from './path.ts';
import type { Shape } from './shape.ts';

type ExternalDraft = NonNullable<Draft<Shape>['external']>;

export function crossCheckEips(draft: Draft<Shape>, report: Report): void {
  const eips = draft.eips ?? [];
  if (draft.external !== undefined) checkExternal(draft.external, draft, report);
  else if (eips.length > 0) report(['eips'], '`eips` need `external`: the interface that leads outside, and the gateway there');
  const ids = new Once('id', report);
  const addresses = new Once('address', report);
  const havips = new Once('HAVIP', report);
  const outside = cidrsOf(draft.external?.notNat);
  const gateway = parsed(draft.external?.gateway);
  for (const [e, eip] of eips.entries()) {
    ids.add(eip?.id, ['eips', e, 'id']);
    addresses.add(eip?.address, ['eips', e, 'address']);
    havips.add(eip?.havip, ['eips', e, 'havip']);
    const address = parsed(eip?.address);
    if (address === null) continue;
    if (address === gateway) report(['eips', e, 'address'], `${eip?.address} is the gateway outside; choose another address`);
    if (outside.some((cidr) => cidrContains(cidr, address)))
      report(['eips', e, 'address'], `${eip?.address} is in \`external.notNat\`; take it out there, or choose another address`);
  }
  checkVpcs(draft, outside, report);
}

function checkExternal(external: ExternalDraft, { ports = [], uplinks = [] }: Draft<Shape>, report: Report): void {
  const name = external.interface;
  if (name === undefined) return;
  if (ports.some((port) => port?.interface === name))
    report(['external', 'interface'], `${name} is a port; the outside is behind an interface of its own`);
  if (uplinks.some((uplink) => uplink?.interface === name))
    report(['external', 'interface'], `${name} is an uplink; the outside is behind an interface of its own`);
}

/** Else machines of one VPC would talk to each other by way of the outside. */
function checkVpcs({ vpcs = [], eips = [], external }: Draft<Shape>, outside: readonly Cidr[], report: Report): void {
  if (external?.notNat === undefined) return;
  const wanted = new Set(eips.map((eip) => eip?.havip));
  for (const vpc of vpcs) {
    const cidr = vpc?.cidr === undefined ? null : parseCidr(vpc.cidr);
    if (cidr === null || outside.some((one) => cidrInside(cidr, one))) continue;
    if (vpc?.havips?.some((havip) => havip?.id !== undefined && wanted.has(havip.id)) !== true) continue;
    report(
      ['external', 'notNat'],
      `VPC ${vpc.id ?? ''} has HAVIPs with an EIP; add its ${vpc.cidr}, where nothing is translated`,
    );
  }
}

/** Values that may be there once. */
class Once {
  readonly #what: string;
  readonly #report: Report;
  readonly #seen = new Set<string>();

  constructor(what: string, report: Report) {
    this.#what = what;
    this.#report = report;
  }

  add(value: string | undefined, path: Path): void {
    if (value === undefined) return;
    if (this.#seen.has(value)) this.#report(path, `${this.#what} ${value} is in another EIP already; each has one`);
    this.#seen.add(value);
  }
}

function parsed(text: string | undefined): number | null {
  return text === undefined ? null : parseIpv4(text);
}

function cidrsOf(texts: readonly (string | undefined)[] = []): Cidr[] {
  return texts.flatMap((text) => (text === undefined ? [] : (parseCidr(text) ?? [])));
}
