/**
 * Entries `fdb` in the kernel: where a VXLAN device sends frames to a MAC, written into its own table and, where it is a bridge's port,
 * into the bridge's, so that nothing of it is flooded. Not by nftables but by rtnetlink, which has no transactions: each entry is replaced in
 * one step, and what a refused commit has done is undone. Main thread.
 *
 * Ours are those that a program made for good, on uplinks that say `program`; a routing daemon's are on others. In the bridge's table a MAC
 * may have moved to another port since, because it was heard there: that is the bridge's to know.
 */
import { ENODEV, ENOENT, ifNametoindex } from '../../abi/libc.ts';
import { BridgeEvents, BridgeTable, NTF_MASTER, NTF_SELF } from '../../abi/bridge-table.ts';
import { errnoName } from '../../abi/native.ts';
import type { Rtnetlink } from '../../abi/rtnetlink.ts';
import { formatIpv4, parseIpv4 } from '../../base/address.ts';
import { must } from '../../base/assert.ts';
import { formatMac, parseMac } from '../../base/mac.ts';
import { type Change, type Entry, VSwitchError } from '../vswitch.ts';

export class Tunnels {
  readonly #table = new BridgeTable();
  readonly #links: Rtnetlink;
  /** Opened with the first entry: most hosts have none. */
  #events: BridgeEvents | null = null;
  /** `INTERFACE MAC` as committed or listed last, and their devices. */
  readonly #known = new Map<string, string>();
  readonly #devices = new Map<number, string>();

  constructor(links: Rtnetlink) {
    this.#links = links;
  }

  /** @param structure entries that say which uplinks are programmed */
  list(structure: readonly Entry[]): Entry[] {
    this.#known.clear();
    const found = programmed(structure).flatMap((name) => this.#listOne(name));
    for (const { key, value } of found) this.#known.set(key, value);
    return found;
  }

  commit(changes: readonly Change[]): void {
    const done: Change[] = [];
    for (const change of changes) {
      if ((change.after ?? change.before)?.kind !== 'fdb') continue;
      const error = this.#apply(change);
      if (error !== null) {
        this.undo(done);
        throw new VSwitchError('refused', error);
      }
      done.push(change);
    }
  }

  /** As well as can be: what is left undone is noticed by the next listing. */
  undo(changes: readonly Change[]): void {
    for (const { before, after } of changes)
      if ((after ?? before)?.kind === 'fdb') this.#apply({ before: after, after: isDamaged(before) ? null : before });
  }

  /** Somebody else may have changed an entry. */
  changed(): boolean {
    let changed = false;
    const whole = this.#events?.drain(({ ifindex, mac, vtep, table, programmed: isProgrammed }, gone) => {
      const name = this.#devices.get(ifindex);
      if (name === undefined || changed) return;
      const wanted = this.#known.get(`${name} ${formatMac(mac)}`);
      if (gone) changed = wanted !== undefined;
      else if (table === NTF_SELF) changed = wanted === undefined ? isProgrammed : wanted !== formatIpv4(vtep) || !isProgrammed;
    });
    return changed || whole === false;
  }

  /** @param structure entries that say which uplinks are programmed */
  cleanup(structure: readonly Entry[]): void {
    for (const before of this.list(structure)) this.#apply({ before, after: null });
  }

  close(): void {
    this.#table.close();
    this.#events?.close();
  }

  #listOne(name: string): Entry[] {
    const ifindex = ifNametoindex(name);
    if (ifindex === 0) return [];
    this.#watch(ifindex, name);
    const isPort = this.#links.bridgePort(name) !== 0;
    return this.#table.entries(ifindex).flatMap(({ mac, vtep, table, programmed: isOurs }) => {
      if (table !== NTF_SELF || !isOurs || mac === 0) return [];
      const whole = !isPort || this.#table.isKnown(ifindex, mac);
      return [{ kind: 'fdb', key: `${name} ${formatMac(mac)}`, value: whole ? formatIpv4(vtep) : 'damaged' }] satisfies Entry[];
    });
  }

  #apply({ before, after }: Change): string | null {
    const { key } = must(after ?? before, 'a change has a side');
    const [name = '', macText = ''] = key.split(' ');
    const mac = must(parseMac(macText), 'an entry holds a MAC');
    const ifindex = ifNametoindex(name);
    if (after === null) {
      this.#known.delete(key);
      for (const table of [NTF_SELF, NTF_MASTER]) {
        const answer = ifindex === 0 ? 0 : this.#table.remove(ifindex, mac, table);
        if (table === NTF_SELF && answer !== 0 && answer !== -ENOENT && answer !== -ENODEV) return refusal(key, answer);
      }
      return null;
    }
    if (ifindex === 0) return `${name} is not there: no entry for ${macText}`;
    this.#watch(ifindex, name);
    this.#known.set(key, after.value);
    const isPort = this.#links.bridgePort(name) !== 0;
    // A person's entry in its place would keep its flags: then nobody could tell that it is ours.
    if (before === null || isDamaged(before)) this.#table.remove(ifindex, mac, NTF_SELF);
    const vtep = must(parseIpv4(after.value), 'an entry holds an IPv4 address');
    const answer = this.#table.program(ifindex, mac, vtep, isPort);
    if (answer !== 0) this.#known.delete(key);
    return answer === 0 ? null : refusal(key, answer);
  }

  #watch(ifindex: number, name: string): void {
    this.#events ??= new BridgeEvents();
    this.#devices.set(ifindex, name);
  }
}

function programmed(structure: readonly Entry[]): string[] {
  return structure.flatMap(({ kind, key, value }) => (kind === 'uplink' && value.endsWith(' program') ? [key] : []));
}

function isDamaged(entry: Entry | null): boolean {
  return entry?.value === 'damaged';
}

function refusal(key: string, answer: number): string {
  return `the kernel refused the entry of ${key} in the device's table (${errnoName(-answer)}): is it a VXLAN device?`;
}
