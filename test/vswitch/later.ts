/** A switch that answers later, as one does that asks another process; and never, if it is told so. */
import type { Beside, Change, CountedReason, Entry, KernelRefusal, VSwitch } from '../../src/vswitch/vswitch.ts';

type Request = 'list' | 'commit' | 'renew' | 'cleanup';

export class LaterSwitch<Of extends VSwitch = VSwitch> implements VSwitch {
  readonly of: Of;
  readonly name: string;
  readonly place: string;
  readonly hooksByName: boolean;
  readonly notes: readonly string[];
  /** Until each request is carried out and answered; null: when answer() is called. */
  readonly #afterMs: number | null;
  /** The next so many requests are carried out, and nobody is told. */
  lostAnswers = 0;
  /** What was asked, oldest first. */
  readonly asked: Request[] = [];
  /** The transactions among it. */
  readonly sent: (readonly Change[])[] = [];
  /** The next so many requests wait outside the order, for answerAside(). */
  setAside = 0;
  readonly #open: (() => void)[] = [];
  readonly #aside: (() => void)[] = [];

  constructor(of: Of, afterMs: number | null = null, hooksByName = of.hooksByName) {
    this.of = of;
    this.name = of.name;
    this.place = of.place;
    this.hooksByName = hooksByName;
    this.notes = of.notes;
    this.#afterMs = afterMs;
  }

  /** How many requests wait to be carried out. */
  get waiting(): number {
    return this.#open.length;
  }

  list(): Promise<Entry[]> {
    return this.#ask('list', () => this.of.list());
  }

  commit(changes: readonly Change[]): Promise<void> {
    this.sent.push(changes);
    return this.#ask('commit', () => this.of.commit(changes));
  }

  cleanup(): Promise<void> {
    return this.#ask('cleanup', () => this.of.cleanup());
  }

  renew(alive: string | null): Promise<void> {
    return this.#ask('renew', () => this.of.renew(alive));
  }

  forwardTo(interfaceName: string): number {
    return this.of.forwardTo(interfaceName);
  }

  indexOf(interfaceName: string): number {
    return this.of.indexOf(interfaceName);
  }

  eipPackets(direction: 'in' | 'out'): number {
    return this.of.eipPackets(direction);
  }

  beside(known: ReadonlySet<string>): readonly Beside[] {
    return this.of.beside(known);
  }

  bypasses(): ReadonlyMap<string, string> {
    return this.of.bypasses();
  }

  changed(): boolean {
    return this.of.changed();
  }

  guardDropped(): number {
    return this.of.guardDropped();
  }

  refusals(): readonly KernelRefusal[] {
    return this.of.refusals();
  }

  droppedFor(reason: CountedReason): number {
    return this.of.droppedFor(reason);
  }

  close(): void {
    this.of.close();
  }

  /** Carries out the oldest request and answers it; returns when whoever asked has heard. */
  async answer(): Promise<void> {
    this.#open.shift()?.();
    await new Promise(setImmediate);
  }

  /** As answer(), of those that wait outside the order. */
  async answerAside(): Promise<void> {
    this.#aside.shift()?.();
    await new Promise(setImmediate);
  }

  #ask<T>(what: Request, act: () => T | Promise<T>): Promise<T> {
    this.asked.push(what);
    if (this.#afterMs !== null) setTimeout(() => void this.answer(), this.#afterMs);
    const isAside = this.setAside > 0;
    if (isAside) this.setAside--;
    return new Promise((resolve, reject) => {
      (isAside ? this.#aside : this.#open).push(() => {
        const isLost = this.lostAnswers > 0;
        if (isLost) this.lostAnswers--;
        try {
          const answer = act();
          if (!isLost) resolve(answer);
        } catch (error) {
          if (!isLost) reject(error);
        }
      });
    });
  }
}
