/**
 * Driver `nftables`: guard, flow map and fence in one table of family netdev (docs/design.md, part 5). Main thread, in the network
 * namespace of the thread that made it. Changes of structure go through libnftables as text, changes of elements alone directly
 * to the kernel; either way one transaction per commit, but for a table that is built whole (interim.ts). Nothing is removed when the process ends.
 */
import { whoRuns } from '../../base/user.ts';
import { Libnftables, NftablesError } from '../../abi/libnftables.ts';
import { ifNametoindex, SystemError } from '../../abi/libc.ts';
import { Rtnetlink } from '../../abi/rtnetlink.ts';
import {
  type Beside,
  type Change,
  COUNTED_REASONS,
  type CountedReason,
  type Entry,
  type KernelRefusal,
  type VSwitch,
  VSwitchError,
} from '../vswitch.ts';
import { Bridges } from '../bridges.ts';
import { Notice } from '../openvswitch/notice.ts';
import { Alarm } from './alarm.ts';
import type { ElementChange } from './batch.ts';
import { elementsOf } from './elements.ts';
import { type Element, refusedSet, SETS } from './keys.ts';
import { readTable } from './listing.ts';
import { EIP_COUNTER } from './external.ts';
import { interimGone, interimScript, type WholeTable, wholeOf } from './interim.ts';
import { Monitor } from './monitor.ts';
import { Nfnetlink } from './nfnetlink.ts';
import { DROP_COUNTER, isStructural } from './ruleset.ts';
import { entriesOfElements } from './reading.ts';
import { counterOf } from './ruleset4.ts';
import { elementDifference, scriptOf } from './script.ts';
import { entriesOfTable, placesOf } from './structure.ts';
import { Tunnels } from './tunnels.ts';

/**
 * Announced in about 1 KB each: a fraction of what the monitor's queue holds. More than is committed between two calls of changed() but
 * at a start: at 256, every fifth sync group of 50 waited 2 to 6 ms longer for its acknowledgement.
 */
const UNHEARD_MOST = 8192;
/** Of one transaction of a whole table: what they are in the kernel's bytes stays a few hundred KB. */
const ELEMENTS_AT_ONCE = 4096;
/** No interface of this name is ever there. */
const ABSENT_INTERFACE = 'havip-absent0';
const LATE_HOOKS =
  'this kernel cannot hook an interface before it exists: a new port is guarded from the moment its link is noticed';

const NO_BYPASSES: ReadonlyMap<string, string> = new Map();

export class NftablesSwitch implements VSwitch {
  readonly name = 'nftables';
  readonly place: string;
  readonly hooksByName: boolean;
  readonly #notes: string[];
  readonly #table: string;
  readonly #nft: Libnftables;
  readonly #nfnetlink: Nfnetlink;
  readonly #monitor: Monitor;
  readonly #rtnetlink: Rtnetlink;
  readonly #tunnels: Tunnels;
  /** Made when it is first asked: a scratch table has no use for it. */
  #bridges: Bridges | null = null;
  #alarm: Alarm | null = null;
  readonly #openvswitch: string | null;
  #notice: Notice | null = null;
  /** Changes committed since the monitor was read last. */
  #unheard = 0;

  /**
   * Throws VSwitchError `unavailable` without nftables, its netdev family, or the privilege.
   * @param openvswitch socket of Open vSwitch's database, should there be one; null: nobody asks
   */
  constructor(table = 'havip', openvswitch: string | null = null) {
    this.#table = table;
    this.#openvswitch = openvswitch;
    this.place = `table netdev ${table}`;
    try {
      this.#nft = new Libnftables();
      this.#nft.tryOut(`add table netdev ${table}`);
      this.#nfnetlink = new Nfnetlink(table);
      this.#monitor = new Monitor(table);
      this.#rtnetlink = new Rtnetlink();
      this.#tunnels = new Tunnels(this.#rtnetlink);
    } catch (error) {
      throw unavailable(error);
    }
    this.hooksByName = this.#canHookByName();
    this.#notes = this.hooksByName ? [] : [LATE_HOOKS];
  }

  get notes(): readonly string[] {
    const trouble = this.#notice?.trouble ?? null;
    return trouble === null ? this.#notes : [...this.#notes, trouble];
  }

  list(): Entry[] {
    try {
      const table = readTable(this.#nfnetlink);
      const structure = entriesOfTable(table);
      const elements: Element[] = [];
      for (const set of SETS) for (const element of this.#nfnetlink.elements(set)) elements.push(element);
      return [...structure, ...entriesOfElements(elements, placesOf(structure)), ...this.#tunnels.list(structure)];
    } catch (error) {
      throw refused(error);
    }
  }

  commit(changes: readonly Change[]): void {
    try {
      // First the way to a holder, then what leads there.
      this.#tunnels.commit(changes);
      if (changes.some(isStructural)) this.#build(changes);
      else this.#commitElements(changes);
    } catch (error) {
      this.#tunnels.undo(changes);
      throw refused(error);
    } finally {
      // Our own transactions are announced too. That is read later, by changed(): a claim waits for this commit.
      this.#unheard += changes.length;
      if (this.#unheard > UNHEARD_MOST) this.#hear();
    }
  }

  /** One transaction; of a whole table three, so that the guard stands before the rest of it (interim.ts). */
  #build(changes: readonly Change[]): void {
    const whole = wholeOf(changes);
    if (whole === null || !this.#guardFirst(whole)) {
      this.#nft.run(scriptOf(this.#table, changes));
      return;
    }
    const gone = interimGone(this.#table, whole.ports);
    try {
      for (let at = 0; at < whole.elements.length; at += ELEMENTS_AT_ONCE)
        this.#commitElements(whole.elements.slice(at, at + ELEMENTS_AT_ONCE));
      this.#nft.run(scriptOf(this.#table, whole.rest) + gone);
    } catch (error) {
      // What is refused is tried part by part, each as one transaction.
      this.#nft.run(gone);
      throw error;
    }
  }

  /** False: the kernel does not take it, as one that hooks only interfaces that exist; nothing of it was done. */
  #guardFirst({ first, ports }: WholeTable): boolean {
    try {
      this.#nft.run(scriptOf(this.#table, first) + interimScript(this.#table, ports));
      return true;
    } catch (error) {
      if (error instanceof NftablesError) return false;
      throw error;
    }
  }

  takesAtOnce(changes: readonly Change[]): boolean {
    return wholeOf(changes) !== null;
  }

  #hear(): void {
    this.#unheard = 0;
    this.#monitor.drain();
  }

  #commitElements(changes: readonly Change[]): void {
    const gone: Element[] = [];
    const come: Element[] = [];
    for (const { before, after } of changes) {
      const difference = elementDifference(before, after);
      gone.push(...difference.gone);
      come.push(...difference.come);
    }
    // No frame sees the order within a transaction; one message holds many elements of one set. Those of one entry are of several.
    if (changes.length > 1) {
      bySet(gone);
      bySet(come);
    }
    const steps: ElementChange[] = [];
    for (const element of gone) steps.push({ add: false, element });
    for (const element of come) steps.push({ add: true, element });
    if (steps.length > 0) this.#nfnetlink.commit(steps);
  }

  /** Added so that there is one to delete, and once more with its whole time: no frame sees it gone. */
  renew(alive: string | null): void {
    if (alive === null || alive === '0') return;
    const elements = elementsOf({ kind: 'alive', key: '-', value: alive });
    const steps = [true, false, true].flatMap((add) => elements.map((element) => ({ add, element })));
    this.#nfnetlink.commit(steps);
    this.#unheard += steps.length;
  }

  forwardTo(interfaceName: string): number {
    return this.#rtnetlink.bridgePort(interfaceName);
  }

  beside(known: ReadonlySet<string>): readonly Beside[] {
    this.#bridges ??= new Bridges(this.#rtnetlink);
    return this.#bridges.beside(known);
  }

  bypasses(): ReadonlyMap<string, string> {
    return this.#notice?.bypasses ?? NO_BYPASSES;
  }

  changed(): boolean {
    this.#unheard = 0;
    const tunnels = this.#tunnels.changed();
    return this.#monitor.changed() || tunnels;
  }

  watch(onChange: () => void): void {
    const onTrouble = (message: string) =>
      void this.#notes.push(`what others change is noticed within 0.25 s, not at once: ${message}`);
    this.#alarm ??= new Alarm(this.#nfnetlink.port, onChange, onTrouble);
    if (this.#openvswitch !== null) this.#notice ??= new Notice(this.#openvswitch, onChange);
  }

  indexOf(interfaceName: string): number {
    return ifNametoindex(interfaceName);
  }

  eipPackets(direction: 'in' | 'out'): number {
    return this.#nfnetlink.counterPackets(EIP_COUNTER[direction]);
  }

  guardDropped(): number {
    return this.#nfnetlink.counterPackets(DROP_COUNTER);
  }

  droppedFor(reason: CountedReason): number {
    return this.#nfnetlink.counterPackets(counterOf(reason));
  }

  refusals(): KernelRefusal[] {
    return COUNTED_REASONS.flatMap((reason) =>
      this.#nfnetlink
        .elements(refusedSet(reason))
        .map(({ key: [name = '', what = null], data }) => ({ reason, interface: name, what: what ?? data })),
    );
  }

  cleanup(): void {
    try {
      this.#tunnels.cleanup(entriesOfTable(readTable(this.#nfnetlink)));
      this.#nft.run(`add table netdev ${this.#table}\ndelete table netdev ${this.#table}`);
    } catch (error) {
      throw refused(error);
    }
    this.#hear();
  }

  close(): void {
    this.#nft.close();
    this.#nfnetlink.close();
    this.#monitor.close();
    this.#bridges?.close();
    this.#rtnetlink.close();
    this.#tunnels.close();
    this.#alarm?.close();
    this.#notice?.close();
  }

  /** Since Linux 6.16 a chain keeps its hook by name while the interface is gone; older kernels refuse or forget. */
  #canHookByName(): boolean {
    const probe = `${this.#table}_probe`;
    const chain = `{ type filter hook ingress device "${ABSENT_INTERFACE}" priority 0; }`;
    try {
      this.#nft.tryOut(`add table netdev ${probe}\nadd chain netdev ${probe} probe ${chain}`);
      return true;
    } catch (error) {
      if (error instanceof NftablesError) return false;
      throw error;
    }
  }
}

function bySet(elements: Element[]): void {
  elements.sort((a, b) => (a.set < b.set ? -1 : a.set > b.set ? 1 : 0));
}

function unavailable(error: unknown): VSwitchError {
  const denied = error instanceof SystemError ? error.code === 'EPERM' : String(error).includes('Operation not permitted');
  if (denied)
    return new VSwitchError('unavailable', `nftables needs CAP_NET_ADMIN, which ${whoRuns()} does not have here (run as root)`);
  if (error instanceof NftablesError || error instanceof SystemError) {
    return new VSwitchError('unavailable', `nftables with family netdev does not work here: ${error.message}`);
  }
  throw error;
}

function refused(error: unknown): Error {
  if (error instanceof NftablesError || error instanceof SystemError) {
    if (error.message.includes('Operation not permitted')) return unavailable(error);
    return new VSwitchError('refused', `nftables refused: ${error.message}`);
  }
  return error instanceof Error ? error : new Error(String(error));
}
