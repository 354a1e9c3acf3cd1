/**
 * Driver `memory`: a switch that is a map, for tests, simulations and dry runs. It is as strict as the kernel about what a change
 * says was there before (of an entry that is damaged, nothing), and has switches for what goes wrong in real ones.
 */
import { entryId } from '../entries.ts';
import {
  type Beside,
  type Change,
  type CountedReason,
  type Entry,
  type KernelRefusal,
  type VSwitch,
  VSwitchError,
} from '../vswitch.ts';

export class MemorySwitch implements VSwitch {
  readonly name = 'memory';
  readonly place = 'memory';
  readonly hooksByName = true;
  readonly notes: string[] = [];
  readonly #entries = new Map<string, Entry>();
  #changed = false;
  /** Set by tests: the next so many commits are refused. */
  failCommits = 0;
  /** Set by tests: a commit that touches an entry with this id (`kind key`) is refused. */
  readonly failEntries = new Set<string>();
  /** Set by tests: list and commit throw `unavailable`. */
  unavailable = false;
  /** Set by tests: what guardDropped() answers. */
  dropped = 0;
  /** Set by tests: what droppedFor() answers. */
  readonly droppedReasons = new Map<CountedReason, number>();
  /** Set by tests: what forwardTo() answers. */
  readonly bridged = new Map<string, number>();
  /** Set by tests: what beside() answers. */
  strangers: readonly Beside[] = [];
  /** Set by tests: what bypasses() answers. */
  bypassed: ReadonlyMap<string, string> = new Map();
  renewals = 0;
  /** Set by tests: what refusals() answers. */
  readonly refused: KernelRefusal[] = [];
  commits = 0;

  list(): Entry[] {
    this.#checkAvailable();
    return [...this.#entries.values()];
  }

  commit(changes: readonly Change[]): void {
    this.#checkAvailable();
    this.commits++;
    if (this.failCommits > 0) {
      this.failCommits--;
      throw new VSwitchError('refused', 'told to fail');
    }
    for (const { before, after } of changes) {
      for (const item of [before, after]) {
        if (item !== null && this.failEntries.has(entryId(item)))
          throw new VSwitchError('refused', `told to fail ${entryId(item)}`);
      }
      if (before !== null && before.value !== 'damaged' && this.#entries.get(entryId(before))?.value !== before.value) {
        throw new VSwitchError('refused', `${entryId(before)}: not as the change says`);
      }
      if (before === null && after !== null && this.#entries.has(entryId(after))) {
        throw new VSwitchError('refused', `${entryId(after)}: exists`);
      }
    }
    for (const { before, after } of changes) {
      if (before !== null) this.#entries.delete(entryId(before));
      if (after !== null) this.#entries.set(entryId(after), after);
    }
  }

  renew(): void {
    this.#checkAvailable();
    this.renewals++;
  }

  forwardTo(interfaceName: string): number {
    return this.bridged.get(interfaceName) ?? 0;
  }

  indexOf(interfaceName: string): number {
    return this.bridged.get(interfaceName) ?? 1;
  }

  eipPackets(): number {
    return 0;
  }

  beside(): readonly Beside[] {
    return this.strangers;
  }

  bypasses(): ReadonlyMap<string, string> {
    return this.bypassed;
  }

  changed(): boolean {
    const was = this.#changed;
    this.#changed = false;
    return was;
  }

  /** A stranger removes (`null`), adds or alters an entry behind the agent's back. */
  drift(id: string, to: Entry | null): void {
    if (to === null) this.#entries.delete(id);
    else this.#entries.set(id, to);
    this.#changed = true;
  }

  guardDropped(): number {
    return this.dropped;
  }

  refusals(): readonly KernelRefusal[] {
    return this.refused;
  }

  droppedFor(reason: CountedReason): number {
    return this.droppedReasons.get(reason) ?? 0;
  }

  cleanup(): void {
    this.#entries.clear();
  }

  close(): void {}

  #checkAvailable(): void {
    if (this.unavailable) throw new VSwitchError('unavailable', 'told to be unavailable');
  }
}
