/**
 * Which bindings of the store a host believes. Who can write state/ could point a HAVIP anywhere; so a binding counts only for a member,
 * with a MAC that a port of the instance has on that very host, or a virtual MAC of VRRP (RFC 9568, 7.3). Pure.
 */
import type { Directory } from './claimed.ts';
import type { BindingRecord, PortRecord } from './records.ts';

const VRRP_MAC = /^00:00:5e:00:0[12]:[0-9a-f]{2}$/i;

/** Ports that hosts published, by VPC and instance. */
export class PortBook {
  /** VPC -> `host interface` -> record. */
  readonly #byVpc = new Map<string, Map<string, { host: string; record: PortRecord }>>();

  put(vpc: string, host: string, name: string, record: PortRecord | null): void {
    const ports = this.#byVpc.get(vpc) ?? new Map<string, { host: string; record: PortRecord }>();
    this.#byVpc.set(vpc, ports);
    if (record === null) ports.delete(`${host} ${name}`);
    else ports.set(`${host} ${name}`, { host, record });
  }

  forget(vpc: string): void {
    this.#byVpc.delete(vpc);
  }

  *of(vpc: string): IterableIterator<{ readonly host: string; readonly record: PortRecord }> {
    yield* this.#byVpc.get(vpc)?.values() ?? [];
  }
}

export type Doubt = 'unknown-havip' | 'unknown-port' | 'not-member' | 'foreign-mac' | 'other-host';

/** What may be believed with what comes later: a port's record and a binding are two writes, told by two watches. */
export const MAY_PASS: ReadonlySet<Doubt | null> = new Set(['unknown-havip', 'unknown-port', 'other-host']);

/** null: believed. */
export function doubtOf(vpc: string, havip: string, binding: BindingRecord, directory: Directory, ports: PortBook): Doubt | null {
  if (binding.instance === null) return null;
  const rights = directory.havip(vpc, havip);
  if (rights === null) return 'unknown-havip';
  if (rights.members !== null && !rights.members.includes(binding.instance)) return 'not-member';
  let doubt: Doubt = 'unknown-port';
  for (const { host, record } of ports.of(vpc)) {
    if (record.instance !== binding.instance) continue;
    if (record.subnet !== rights.subnet) doubt = 'not-member';
    else if (host !== binding.host) doubt = 'other-host';
    else if (record.mac === binding.mac || VRRP_MAC.test(binding.mac ?? '')) return null;
    else doubt = 'foreign-mac';
    if (doubt === 'foreign-mac') break;
  }
  return doubt;
}
