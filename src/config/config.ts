/**
 * The configuration as a value: parsed once, frozen, or every mistake at once with its line and path (docs/design.md, rule 7).
 * Main thread.
 *
 * YAML, of which JSON is a part. 1,000 ports and 100,000 HAVIPs in 10 MB of JSON take 0.5 s (2 cores): reading 0.1, shape 0.15,
 * cross checks 0.1, resolving 0.1; a good third of each is garbage collection. A reload need not parse it all: config/file.ts.
 *
 * The way of a file: file.ts reads it, and drop-ins.ts those beside it, text.ts makes a plain value of it and remembers lines, shape.ts says what each key may hold and
 * cross.ts how they fit together; plan.ts then numbers what is configured, and from there on nobody compares names.
 */
import { parseCidr, parseIpv4 } from '../base/address.ts';
import type { Cidr, Ipv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { parseCidr6, parseIpv6 } from '../base/ipv6.ts';
import type { Ipv6 } from '../base/ipv6.ts';
import { parseMac } from '../base/mac.ts';
import type { Mac } from '../base/mac.ts';
import { type HavipSettings, ASSIST_ON, type Assist, type Probe, type SubnetIpv6 } from '../base/network.ts';
import { crossCheck } from './cross.ts';
import { clipped, echoed } from './echo.ts';
import type { DriverCheck } from './cross.ts';
import { crossCheckEips } from './cross-eips.ts';
import { crossCheck6 } from './cross6.ts';
import { checkShape } from './issues.ts';
import { type Listen, parseListen } from './listen.ts';
import { formatPath, type Path } from './path.ts';
import type { Shape } from './shape.ts';
import { readText } from './text.ts';
import type { Source } from './text.ts';

type ShapeOfSubnet = Shape['vpcs'][number]['subnets'][number];
type ShapeOfHavip = Shape['vpcs'][number]['havips'][number];

export interface SubnetConfig {
  readonly id: string;
  readonly cidr: Cidr;
  readonly gateway: Ipv4 | null;
  readonly ipv6: SubnetIpv6 | null;
  readonly sources: 'checked' | 'any';
  /** What a HAVIP of it is that says nothing of its own. */
  readonly probe: Probe;
}

export interface HavipConfig extends HavipSettings {
  readonly subnet: string;
}

export interface VpcConfig {
  readonly id: string;
  readonly cidr: Cidr;
  readonly quota: number;
  readonly subnets: readonly SubnetConfig[];
  readonly havips: readonly HavipConfig[];
}

export interface PortConfig {
  readonly interface: string;
  readonly instance: string;
  readonly subnet: string;
  /** Said where the subnet stands in the store. */
  readonly vpc?: string | undefined;
  readonly mac: Mac;
  readonly addresses: readonly Ipv4[];
  readonly addresses6: readonly Ipv6[];
  readonly router: boolean;
}

export interface ExternalConfig {
  readonly interface: string;
  readonly gateway: Ipv4;
  readonly notNat: readonly Cidr[];
}

export interface StoreConfig {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly tls: { readonly ca: string; readonly cert: string | null; readonly key: string | null } | null;
  readonly user: string | null;
  readonly passwordFile: string | null;
  readonly leaseSeconds: number;
}

export interface PeerConfig {
  readonly instance: string;
  readonly vpc: string;
  readonly mac: Mac;
  readonly addresses: readonly Ipv4[];
  readonly vtep: Ipv4 | null;
}

export interface Config {
  readonly host: { readonly id: string; readonly vtep: Ipv4 | null };
  readonly vpcs: readonly VpcConfig[];
  readonly ports: readonly PortConfig[];
  readonly uplinks: readonly Readonly<Shape['uplinks'][number]>[];
  readonly peers: readonly PeerConfig[];
  readonly eips: readonly { readonly id: string; readonly address: Ipv4; readonly havip: string }[];
  /** null: no HAVIP has an address outside. */
  readonly external: ExternalConfig | null;
  readonly capture: Readonly<Shape['capture']>;
  readonly vswitch: Readonly<Shape['vswitch']>;
  /** null: this host is alone. */
  readonly store: StoreConfig | null;
  readonly mode: Shape['mode'];
  readonly strangers: Shape['strangers'];
  readonly failsafeSeconds: number;
  readonly http: { readonly listen: Listen };
  readonly metrics: Readonly<Shape['metrics']>;
  readonly notify: readonly Readonly<Shape['notify'][number]>[];
  readonly log: Readonly<Shape['log']>;
}

export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `vpcs[0].havips[1].address`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and what would be right. */
  readonly message: string;
  /** The line of a mistake of YAML's or JSON's own, and a caret below its place. */
  readonly excerpt?: string;
}

export type Parsed =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/**
 * Never throws on input.
 * @param check what the driver of the virtual switch has to say
 */
export function parseConfig(text: string, file = 'configuration', check: DriverCheck | null = null): Parsed {
  return parseSource(readText(text), file, check);
}

export function parseSource(source: Source, file: string, check: DriverCheck | null): Parsed {
  const { config, found } = source.error === null ? checkValue(source.value, check) : { config: null, found: [] };
  return config === null ? placed(source, file, found) : { ok: true, config };
}

/** Something wrong, by where in the value it is. */
export interface Found {
  readonly path: Path;
  readonly message: string;
  readonly atKey: boolean;
}

/** `config` is null when anything was found. */
export function checkValue(
  value: unknown,
  check: DriverCheck | null,
): { readonly config: Config | null; readonly found: readonly Found[] } {
  const found: Found[] = [];
  const report = (path: Path, message: string, atKey = false) => found.push({ path, message, atKey });
  const { shape, draft } = checkShape(value, report);
  crossCheck(draft, report);
  crossCheck6(draft, report);
  crossCheckEips(draft, report);
  check?.(draft, report);
  return { config: shape !== null && found.length === 0 ? resolve(shape) : null, found };
}

/** Mistakes, by where in the text they are; of a text that cannot be read, what keeps it from being read. */
export function placed(source: Source, file: string, found: readonly Found[]): Extract<Parsed, { ok: false }> {
  const mistakes: Mistake[] = [];
  if (source.error !== null) {
    const { message, at, excerpt } = source.error;
    mistakes.push({ file, ...at, path: '', message: clipped(message), excerpt });
    return { ok: false, mistakes };
  }
  for (const [i, at] of source.locate(found).entries()) {
    const { path, message } = must(found[i], 'one place per path');
    mistakes.push({ file, ...at, path: echoed(formatPath(path)), message: clipped(message) });
  }
  return { ok: false, mistakes: mistakes.sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** `havip.yaml:12:7: vpcs[0].havips[1].address: 10.0.1.5 is outside ...` */
export function formatMistake(mistake: Mistake): string {
  const { file, line, column, path, message } = mistake;
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}

/** The same for a terminal: with the line and the place in it where there is one to show. */
export function describeMistake(mistake: Mistake): string {
  return `${formatMistake(mistake)}\n${mistake.excerpt === undefined ? '' : `${mistake.excerpt}\n`}`;
}

function resolve(shape: Shape): Config {
  const { host, uplinks, capture, vswitch, mode, strangers, failsafeSeconds, http, log } = shape;
  return Object.freeze({
    host: Object.freeze({ id: host.id, vtep: host.vtep === undefined ? null : ipv4(host.vtep) }),
    vpcs: frozenList(shape.vpcs, resolveVpc),
    ports: frozenList(shape.ports, ({ addresses, mac, ...port }) =>
      Object.freeze({
        ...port,
        mac: parsed(parseMac, mac),
        addresses: frozenList(addresses.filter(isOfIpv4), ipv4),
        addresses6: frozenList(
          addresses.filter((text) => !isOfIpv4(text)),
          ipv6,
        ),
      }),
    ),
    capture: Object.freeze(capture),
    vswitch: Object.freeze(vswitch),
    store: shape.store === undefined ? null : resolveStore(shape.store),
    mode,
    strangers,
    failsafeSeconds,
    log: Object.freeze(log),
    metrics: Object.freeze(shape.metrics),
    notify: frozenList(shape.notify, (target) => Object.freeze(target)),
    uplinks: frozenList(uplinks, (uplink) => Object.freeze(uplink)),
    peers: frozenList(shape.peers, ({ addresses, mac, vtep, ...peer }) =>
      Object.freeze({
        ...peer,
        mac: parsed(parseMac, mac),
        addresses: frozenList(addresses, ipv4),
        vtep: vtep === undefined ? null : ipv4(vtep),
      }),
    ),
    eips: frozenList(shape.eips, ({ address, ...eip }) => Object.freeze({ ...eip, address: ipv4(address) })),
    external: shape.external === undefined ? null : resolveExternal(shape.external),
    http: Object.freeze({ listen: Object.freeze(parsed(parseListen, http.listen)) }),
  });
}

function resolveExternal({ interface: name, gateway, notNat }: NonNullable<Shape['external']>): ExternalConfig {
  const prefixes = frozenList(notNat, (text) => Object.freeze(parsed(parseCidr, text)));
  return Object.freeze({ interface: name, gateway: ipv4(gateway), notNat: prefixes });
}

function resolveStore({ endpoints, prefix, tls, user, passwordFile, leaseSeconds }: NonNullable<Shape['store']>): StoreConfig {
  const files = tls === undefined ? null : Object.freeze({ ca: tls.ca, cert: tls.cert ?? null, key: tls.key ?? null });
  const who = { user: user ?? null, passwordFile: passwordFile ?? null };
  return Object.freeze({ endpoints: Object.freeze(endpoints), prefix, tls: files, ...who, leaseSeconds });
}

function resolveVpc(vpc: Shape['vpcs'][number]): VpcConfig {
  const probed = new Map(vpc.subnets.map((subnet) => [subnet.id, subnet.probe]));
  const lists = new SharedLists();
  return Object.freeze({
    id: vpc.id,
    cidr: Object.freeze(parsed(parseCidr, vpc.cidr)),
    quota: vpc.quota,
    subnets: frozenList(vpc.subnets, (subnet) =>
      Object.freeze({
        id: subnet.id,
        cidr: Object.freeze(parsed(parseCidr, subnet.cidr)),
        gateway: subnet.gateway === undefined ? null : ipv4(subnet.gateway),
        ipv6: subnet.ipv6 === undefined ? null : resolveIpv6(subnet.ipv6),
        sources: subnet.sources,
        probe: subnet.probe,
      }),
    ),
    havips: frozenList(vpc.havips, (havip) =>
      Object.freeze({
        id: havip.id,
        subnet: havip.subnet,
        address: ipv4(havip.address),
        members: havip.members === undefined ? null : lists.shared(havip.members),
        fence: havip.fence,
        vrid: havip.vrid ?? null,
        assist: assistOf(havip.assist),
        verify: havip.verify,
        probe: havip.probe ?? probed.get(havip.subnet) ?? false,
      }),
    ),
  });
}

/** One value for each way to say it, so that a reload finds equal what is. */
const RESIGN: Assist = Object.freeze({ on: Object.freeze(['link-down'] as const), hasten: true });
const RESIGN_ONLY: Assist = Object.freeze({ ...RESIGN, hasten: false });

function assistOf(said: ShapeOfHavip['assist']): Assist | null {
  if (said === undefined) return null;
  if (said === 'resign') return RESIGN;
  if (said === 'resign-only') return RESIGN_ONLY;
  return Object.freeze({ on: Object.freeze(ASSIST_ON.filter((one) => said.on.includes(one))), hasten: true });
}

function resolveIpv6({ cidr, gateway, routers, addresses }: NonNullable<ShapeOfSubnet['ipv6']>): SubnetIpv6 {
  return Object.freeze({
    cidr: Object.freeze(parsed(parseCidr6, cidr)),
    gateway: gateway === undefined ? null : ipv6(gateway),
    routers: frozenList(routers, ipv6),
    addresses,
  });
}

/** One list for all HAVIPs in a row that have the same members, as those of one pair of machines do. */
class SharedLists {
  #last: readonly string[] = [];

  shared(list: readonly string[]): readonly string[] {
    const isSame = list.length === this.#last.length && list.every((item, i) => item === this.#last[i]);
    if (!isSame) this.#last = Object.freeze(list);
    return this.#last;
  }
}

/** Frozen as it is made: to walk the whole of it once more took 0.1 s of 100,000 HAVIPs. */
function frozenList<T, U>(things: readonly T[], resolveOne: (thing: T) => U): readonly U[] {
  return Object.freeze(things.map((thing) => resolveOne(thing)));
}

function isOfIpv4(text: string): boolean {
  return !text.includes(':');
}

function ipv4(text: string): Ipv4 {
  return parsed(parseIpv4, text);
}

function ipv6(text: string): Ipv6 {
  return parsed(parseIpv6, text);
}

function parsed<T>(parser: (text: string) => T | null, text: string): T {
  return must(parser(text), 'the shape was checked');
}
