/**
 * The layout of the store, and values in and out of it.
 *
 *     PREFIX/config/VPC/net | subnet/ID | havip/ID | address/HEX | eip/ID | port/MAC   what operators and orchestrators write
 *     PREFIX/state/VPC/binding/HAVIP | port/HOST/INTERFACE | sign/INSTANCE        what hosts write
 *     PREFIX/host/HOST                                                            bound to the host's lease
 *
 * config and state stand apart because etcd grants rights by prefix: a hypervisor that was broken into cannot give itself members.
 * An address is eight hexadecimal digits, so that a list of them comes in order.
 */
import { SHAPES, type Item, type Key, type Kind, type ValueOf } from './records.ts';

const CONFIG_PARTS: Readonly<Record<string, Kind>> = {
  subnet: 'subnet',
  havip: 'havip',
  address: 'address',
  eip: 'eip',
  port: 'config-port',
};

export function configPrefix(prefix: string, vpc: string): string {
  return `${prefix}/config/${encodeURIComponent(vpc)}/`;
}

export function statePrefix(prefix: string, vpc: string): string {
  return `${prefix}/state/${encodeURIComponent(vpc)}/`;
}

/** Of all VPCs. */
export function allConfigPrefix(prefix: string): string {
  return `${prefix}/config/`;
}

export function hostPrefix(prefix: string): string {
  return `${prefix}/host/`;
}

/** Interface names may hold what ids may not; each part is escaped, so that a key has one reading. */
export function keyText(prefix: string, { kind, vpc, id, host = '' }: Key): string {
  const name = encodeURIComponent(id);
  if (kind === 'host') return `${hostPrefix(prefix)}${name}`;
  if (kind === 'binding' || kind === 'sign') return `${statePrefix(prefix, vpc)}${kind}/${name}`;
  if (kind === 'port') return `${statePrefix(prefix, vpc)}port/${encodeURIComponent(host)}/${name}`;
  if (kind === 'net') return `${configPrefix(prefix, vpc)}net`;
  return `${configPrefix(prefix, vpc)}${kind === 'config-port' ? 'port' : kind}/${name}`;
}

/** null: no key of ours, or of a later version. */
function parseKey(prefix: string, text: string): Key | null {
  if (!text.startsWith(`${prefix}/`)) return null;
  const parts = decodeParts(text.slice(prefix.length + 1));
  if (parts === null) return null;
  const [area, vpc = '', part = '', id = '', last = ''] = parts;
  if (area === 'host' && parts.length === 2 && vpc !== '') return { kind: 'host', vpc: '', id: vpc };
  if (vpc === '') return null;
  if (area === 'config' && part === 'net' && parts.length === 3) return { kind: 'net', vpc, id: '' };
  const kind = area === 'config' ? CONFIG_PARTS[part] : undefined;
  if (kind !== undefined && parts.length === 4 && id !== '') return { kind, vpc, id };
  if (area !== 'state') return null;
  if ((part === 'binding' || part === 'sign') && parts.length === 4 && id !== '') return { kind: part, vpc, id };
  return part === 'port' && parts.length === 5 && last !== '' ? { kind: 'port', vpc, id: last, host: id } : null;
}

function decodeParts(text: string): string[] | null {
  try {
    return text.split('/').map((part) => decodeURIComponent(part));
  } catch {
    return null;
  }
}

/** The value in the store's JSON, or why it is none. */
function parseValue<K extends Kind>(kind: K, text: string): { ok: true; value: ValueOf<K> } | { ok: false; why: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, why: 'not JSON' };
  }
  const parsed = SHAPES[kind].safeParse(json);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shape was chosen by the kind
  if (parsed.success) return { ok: true, value: parsed.data as ValueOf<K> };
  const [issue] = parsed.error.issues;
  return { ok: false, why: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong shape'}` };
}

/** A key with its value as the store tells it; `text` null: deleted. */
export interface RawItem {
  readonly key: string;
  readonly text: string | null;
  readonly revision: number;
  readonly version: number;
}

/** null: a key of a later version. A bad value is told to `bad` and null as well: what was known before stays. */
export function readItem(prefix: string, raw: RawItem, bad: (key: string, why: string) => void): Item | null {
  const key = parseKey(prefix, raw.key);
  if (key === null) return null;
  const { revision, version } = raw;
  if (raw.text === null) return { ...key, value: null, revision, version: 0 };
  const parsed = parseValue(key.kind, raw.text);
  if (!parsed.ok) {
    bad(raw.key, parsed.why);
    return null;
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the value was read by the key's kind
  return { ...key, value: parsed.value, revision, version } as Item;
}
