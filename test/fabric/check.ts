/** The invariants I1 to I8 of the protocol between hosts, checked over everything that a simulated world does. */
import type { Claimed } from '../../src/fabric/claimed.ts';
import type { Proposal } from '../../src/fabric/fabric.ts';
import type { Binding } from '../../src/fabric/records.ts';
import type { SimulatedHost, Stage } from './stage.ts';

const AGREE_MS = 1100;
/** After a fault a host may need so long to find it, connect and list. */
const RECOVER_MS = 6000;
const CROSSING_MS = 1000;
const WALL_MARGIN_MS = 2000;

export class Check {
  readonly failures: string[] = [];
  commits = 0;
  readonly #world: Stage;
  readonly #based = new Map<string, number>();
  readonly #confirmed = new Map<string, number>();
  /** START -> how often it was written in the history that counts. */
  readonly #written = new Map<string, number>();
  readonly #open = new Map<string, Claimed>();
  #restores = 0;

  constructor(world: Stage) {
    this.#world = world;
  }

  fail(text: string): void {
    if (this.failures.length < 20) this.failures.push(`${(this.#world.time.nowNs() / 1e6).toFixed(1)} ms: ${text}`);
  }

  proposed(batch: readonly Proposal[]): void {
    for (const { id, based } of batch) this.#based.set(id, based);
  }

  /** The store was put back: what came after is forgotten, and what was known may be older. */
  restored(): void {
    this.#restores++;
    this.#confirmed.clear();
    this.#written.clear();
  }

  /** The store wrote a binding over another. */
  wrote(havip: string, binding: Binding, before: { revision: number; binding: Binding | null }): void {
    this.commits++;
    const based = this.#based.get(binding.id);
    if (based !== before.revision) this.fail(`I1 ${havip}: ${binding.id} was ruled by ${based}, written over ${before.revision}`);
    const start = `${binding.host} ${binding.instance} ${havip} ${binding.startMs}`;
    const times = (this.#written.get(start) ?? 0) + 1;
    this.#written.set(start, times);
    if (times > 1 && binding.instance !== null && !this.#world.mayBeOld)
      this.fail(`I3 ${havip}: the START ${start} was written ${times} times`);
    const { binding: old } = before;
    if (binding.instance === null && old !== null && old.host !== binding.host)
      this.fail(`P9 ${havip}: ${binding.host} withdrew what ${old.host} holds`);
    if (old !== null && old.host !== binding.host && old.instance !== null) this.#checkOrder(havip, binding, old);
  }

  #checkOrder(havip: string, now: Binding, old: Binding): void {
    if (now.cause === 'restored') return;
    const [at, beaten] = [this.#trueMs(now), this.#trueMs(old)];
    const skew = Math.abs(this.#world.host(now.host).skewMs - this.#world.host(old.host).skewMs);
    const slackMs = Math.max(CROSSING_MS + this.#world.slowestMs, skew > WALL_MARGIN_MS ? skew : 0) + 50;
    if (at < beaten - slackMs)
      this.fail(`I6 ${havip}: ${now.instance}, ${(beaten - at).toFixed(0)} ms older, was written over ${old.instance}`);
  }

  #trueMs({ startMs, host }: Binding): number {
    return startMs - this.#world.host(host).skewMs;
  }

  confirmed(host: SimulatedHost, havip: string, revision: number): void {
    const key = `${host.id} ${havip}`;
    const known = this.#confirmed.get(key) ?? 0;
    if (revision !== 0 && revision < known && !this.#world.mayBeOld)
      this.fail(`I2 ${havip}: ${host.id} went from ${known} back to ${revision}`);
    this.#confirmed.set(key, revision);
  }

  claimed(host: SimulatedHost, claim: Claimed): void {
    this.#open.set(`${host.id} ${claim.havip}`, claim);
  }

  settled(host: SimulatedHost, havip: string): void {
    this.#open.delete(`${host.id} ${havip}`);
  }

  /** A restart changes nothing that is programmed, whether the store answers or not. */
  restarted(host: SimulatedHost, before: number): void {
    if (host.kernel.size < before) this.fail(`${host.id}: its restart dropped ${before - host.kernel.size} holders`);
  }

  /** An agent died: its claims are in the kernel's comments, or nowhere. */
  died(host: SimulatedHost): void {
    for (const key of this.#open.keys()) if (key.startsWith(`${host.id} `)) this.#open.delete(key);
  }

  /** I5 and I8, at any time: hosts in touch. */
  sample(): void {
    const { hosts, time } = this.#world;
    for (const havip of this.#world.havips) {
      const truth = this.#world.truth(havip);
      const here: string[] = [];
      for (const host of hosts) {
        const held = host.kernel.get(havip);
        const agrees =
          truth === null
            ? held === undefined
            : held?.instance === truth.instance && held.host === truth.host && held.mac === truth.mac;
        if (agrees || !this.#inTouch(host)) host.disagreesSinceNs.delete(havip);
        else if (!host.disagreesSinceNs.has(havip)) host.disagreesSinceNs.set(havip, time.nowNs());
        const sinceNs = host.disagreesSinceNs.get(havip) ?? time.nowNs();
        if (time.nowNs() - sinceNs > AGREE_MS * 1e6) {
          this.fail(
            `I5 ${havip}: ${host.id} has ${held?.instance ?? 'nobody'}, the store ${truth?.instance ?? 'nobody'}, for more than ${AGREE_MS} ms`,
          );
          host.disagreesSinceNs.delete(havip);
        }
        if (held?.host === host.id && this.#inTouch(host) && sinceNs < time.nowNs() - AGREE_MS * 1e6) here.push(host.id);
      }
      if (here.length > 1) this.fail(`I8 ${havip}: held at ${here.join(' and ')}`);
    }
  }

  #inTouch(host: SimulatedHost): boolean {
    const quietNs = Math.max(host.disturbedNs, this.#world.disturbedNs);
    if (host.peers === null || host.isFaulty || !this.#world.store.up) return false;
    return this.#world.time.nowNs() - quietNs > RECOVER_MS * 1e6;
  }

  /** I4 and I7, when all has been quiet for long enough. */
  end(): void {
    for (const havip of this.#world.havips) {
      const truth = this.#world.truth(havip);
      for (const host of this.#world.hosts) {
        const held = host.kernel.get(havip);
        if (held?.instance !== truth?.instance || held?.host !== truth?.host) {
          this.fail(`I4 ${havip}: ${host.id} has ${held?.instance ?? 'nobody'}, the store ${truth?.instance ?? 'nobody'}`);
        } else if (held?.provisional === true) this.fail(`I4 ${havip}: ${host.id} is still provisional`);
        else if (held !== undefined && held.revision !== truth?.revision)
          this.fail(`I4 ${havip}: ${host.id} has epoch ${held.revision}, the store ${truth?.revision}`);
      }
    }
    for (const [key, { instance }] of this.#open) this.fail(`I7 ${key}: the claim of ${instance} was never settled`);
    for (const host of this.#world.hosts) {
      if (this.#restores === 0 && (host.fabric?.counters.gaps ?? 0) > 0)
        this.fail(`${host.id}: events were lost ${host.fabric?.counters.gaps} times`);
      if ((host.peers?.pending ?? 0) > 0) this.fail(`${host.id}: proposals are left`);
    }
  }
}
