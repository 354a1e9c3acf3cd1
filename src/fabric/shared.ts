/** What a host knows of the HAVIPs that others share, and of their ports. Pure. */
import { doubtOf, PortBook, type Doubt } from './belief.ts';
import type { Claimed, Directory } from './claimed.ts';
import type { Pending } from './proposals.ts';
import type { BindingRecord } from './records.ts';

/** What would clear a doubt is a write or two behind. */
export const DOUBT_NS = 2000e6;

/** What a host knows of a HAVIP that others share. */
export interface Shared {
  readonly vpc: string;
  readonly havip: string;
  revision: number;
  version: number;
  /** null: there is none. */
  binding: BindingRecord | null;
  doubt: Doubt | null;
  /** Since when it waits for what may clear the doubt; null: it does not. */
  doubtNs: number | null;
  /** Of its configuration in the store; 0: not there. */
  ruledBy: number;
  pending: Pending | null;
  /** P11: a claim that lost, and when it is ruled again. */
  lost: { readonly claim: Claimed; readonly sinceNs: number; readonly dueNs: number } | null;
  /** Since a restart, until the store is heard: by which revision the switch has it, and whether for a guest of this host. */
  kept: { readonly revision: number; readonly here: boolean } | null;
  /** The claim that had its second chance. */
  again: Claimed | null;
}

export class Shelf {
  readonly ports = new PortBook();
  readonly #directory: Directory;
  readonly #vpcs = new Map<string, Map<string, Shared>>();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Made when somebody first speaks of it. */
  at(vpc: string, havip: string): Shared {
    let byHavip = this.#vpcs.get(vpc);
    if (byHavip === undefined) this.#vpcs.set(vpc, (byHavip = new Map()));
    let shared = byHavip.get(havip);
    if (shared === undefined) byHavip.set(havip, (shared = newShared(vpc, havip)));
    return shared;
  }

  /** null: nobody spoke of it. */
  find(vpc: string, havip: string): Shared | null {
    return this.#vpcs.get(vpc)?.get(havip) ?? null;
  }

  of(vpc: string): Iterable<Shared> {
    return this.#vpcs.get(vpc)?.values() ?? [];
  }

  forget(vpc: string): void {
    this.#vpcs.delete(vpc);
    this.ports.forget(vpc);
  }

  /** Why its binding is not believed, as things are known now. */
  doubt({ vpc, havip, binding }: Shared): Doubt | null {
    return binding === null ? null : doubtOf(vpc, havip, binding, this.#directory, this.ports);
  }
}

function newShared(vpc: string, havip: string): Shared {
  return {
    vpc,
    havip,
    revision: 0,
    version: 0,
    binding: null,
    doubt: null,
    doubtNs: null,
    ruledBy: 0,
    pending: null,
    lost: null,
    kept: null,
    again: null,
  };
}

/** When it has something to wait for no longer. */
export function waitNs({ pending, lost, doubtNs }: Shared): number {
  const none = Number.POSITIVE_INFINITY;
  return Math.min(lost?.dueNs ?? none, pending?.overdueNs ?? none, doubtNs === null ? none : doubtNs + DOUBT_NS);
}
