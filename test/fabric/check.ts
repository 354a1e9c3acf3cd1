/** The invariants I1 to I9 of the protocol between hosts, checked over everything that a simulated world does. */
import type { Proposal } from '../../src/fabric/fabric.ts';
import type { BindingRecord } from '../../src/fabric/records.ts';
import type { Programmed, SimulatedHost, Stage } from './stage.ts';

const AGREE_MS = 1100;
/** After a fault a host may need so long to find it, connect and list. */
const RECOVER_MS = 6000;
const CROSSING_MS = 1000;
const WALL_MARGIN_MS = 2000;
/** A password that guests put into their adverts. */
export const SECRET = 'hunter22';

export class Check {
  readonly failures: string[] = [];
  commits = 0;
  readonly #stage: Stage;
  readonly #based = new Map<string, number>();
  readonly #revisions = new Map<string, number>();
  /** Of before a restore, until the host hears of that. */
  readonly #stale = new Map<string, number>();
  readonly #kept = new Map<string, string>();
  /** A claim -> how often it was written in the history that counts. */
  readonly #written = new Map<string, number>();
  #restores = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  fail(text: string): void {
    if (this.failures.length < 20) this.failures.push(`${(this.#stage.time.nowNs() / 1e6).toFixed(1)} ms: ${text}`);
  }

  proposed(batch: readonly Proposal[]): void {
    for (const { id, based } of batch) this.#based.set(id, based);
  }

  /** The store was put back: what came after is forgotten, and what was known may be older. */
  restored(): void {
    this.#restores++;
    this.#revisions.clear();
    for (const host of this.#stage.hosts)
      for (const havip of this.#stage.havips) this.#stale.set(`${host.id} ${havip}`, host.revision(havip));
    this.#written.clear();
  }

  /** The store wrote a binding over another. */
  wrote(havip: string, text: string, before: { revision: number; binding: BindingRecord | null }): void {
    const binding = JSON.parse(text) as BindingRecord;
    this.commits++;
    if (text.includes(SECRET)) this.fail(`I9 ${havip}: a password is in the store`);
    const based = this.#based.get(binding.id);
    if (based !== before.revision) this.fail(`I1 ${havip}: ${binding.id} was ruled by ${based}, written over ${before.revision}`);
    const claim = `${binding.host} ${binding.instance} ${havip} ${binding.startMs}`;
    const times = (this.#written.get(claim) ?? 0) + 1;
    this.#written.set(claim, times);
    if (times > 1 && binding.instance !== null && !this.#stage.mayBeOld)
      this.fail(`I3 ${havip}: ${claim} was written ${times} times`);
    const { binding: old } = before;
    if (old === null || old.host === binding.host || old.instance === null) return;
    if (binding.instance === null) this.fail(`P9 ${havip}: ${binding.host} withdrew what ${old.host} holds`);
    else this.#checkOrder(havip, binding, old);
  }

  #checkOrder(havip: string, now: BindingRecord, old: BindingRecord): void {
    const [at, beaten] = [this.#trueMs(now), this.#trueMs(old)];
    const skew = Math.abs(this.#stage.host(now.host).skewMs - this.#stage.host(old.host).skewMs);
    const slackMs = Math.max(CROSSING_MS + this.#stage.slowestMs, skew > WALL_MARGIN_MS ? skew : 0) + 50;
    if (at < beaten - slackMs && !this.#stage.mayBeOld)
      this.fail(`I6 ${havip}: ${now.instance}, ${(beaten - at).toFixed(0)} ms older, was written over ${old.instance}`);
  }

  #trueMs({ startMs, host }: BindingRecord): number {
    return startMs - this.#stage.host(host).skewMs;
  }

  /** An agent is about to die, or has started: a restart changes nothing that is programmed, whether the store answers or not. */
  died(host: SimulatedHost): void {
    for (const havip of this.#stage.havips) this.#kept.set(`${host.id} ${havip}`, textOf(host.programmed(havip)));
  }

  restarted(host: SimulatedHost): void {
    for (const havip of this.#stage.havips) {
      const was = this.#kept.get(`${host.id} ${havip}`);
      const is = textOf(host.programmed(havip));
      // A guest that left meanwhile has no port here any more.
      if (was !== undefined && was !== is && was.startsWith('beyond'))
        this.fail(`${host.id}: its restart made of "${was}" "${is}"`);
      this.#revisions.delete(`${host.id} ${havip}`);
    }
  }

  /** I2, I5 and I8, at any time. */
  sample(): void {
    for (const havip of this.#stage.havips) {
      const truth = this.#stage.truth(havip);
      // A guest that left while its binding was under way: its host takes it back after a grace time.
      if (truth !== null && !this.#isThere(truth)) continue;
      const here: string[] = [];
      for (const host of this.#stage.hosts) {
        this.#checkRevision(host, havip);
        if (this.#isWrongForLong(host, havip, wanted(truth, host)) && host.programmed(havip)?.isHere === true) here.push(host.id);
      }
      if (here.length > 1) this.fail(`I8 ${havip}: held at ${here.join(' and ')}`);
    }
  }

  #isThere({ instance, host }: BindingRecord): boolean {
    return this.#stage.guests.some((guest) => guest.instance === instance && guest.hosts.includes(host));
  }

  #checkRevision(host: SimulatedHost, havip: number): void {
    if (!host.isUp) return;
    const key = `${host.id} ${havip}`;
    const known = this.#revisions.get(key) ?? 0;
    const revision = host.revision(havip);
    if (this.#stale.get(key) === revision) return;
    this.#stale.delete(key);
    if (revision !== 0 && revision < known && !this.#stage.mayBeOld)
      this.fail(`I2 ${havip}: ${host.id} went from ${known} back to ${revision}`);
    this.#revisions.set(key, revision);
  }

  #isWrongForLong(host: SimulatedHost, havip: number, want: string): boolean {
    const { time } = this.#stage;
    const key = String(havip);
    const has = textOf(host.programmed(havip));
    if (has === want || host.letsGo(havip) || !this.#inTouch(host)) host.disagreesSinceNs.delete(key);
    else if (!host.disagreesSinceNs.has(key)) host.disagreesSinceNs.set(key, time.nowNs());
    const sinceNs = host.disagreesSinceNs.get(key) ?? time.nowNs();
    if (time.nowNs() - sinceNs <= AGREE_MS * 1e6) return false;
    this.fail(`I5 ${havip}: ${host.id} has "${has}", the store "${want}", for more than ${AGREE_MS} ms`);
    host.disagreesSinceNs.delete(key);
    return true;
  }

  #inTouch(host: SimulatedHost): boolean {
    const quietNs = Math.max(host.disturbedNs, this.#stage.disturbedNs);
    if (!host.isUp || host.isFaulty || !this.#stage.store.up) return false;
    return this.#stage.time.nowNs() - quietNs > RECOVER_MS * 1e6;
  }

  /** I4 and I7, when all has been quiet for long enough. */
  end(): void {
    for (const havip of this.#stage.havips) {
      const truth = this.#stage.truth(havip);
      for (const host of this.#stage.hosts) {
        const [has, want] = [textOf(host.programmed(havip)), wanted(truth, host)];
        if (has !== want && !(has === 'nobody' && host.letsGo(havip)))
          this.fail(`I4 ${havip}: ${host.id} has "${has}", the store "${want}"`);
        else if (truth !== null && host.epoch(havip) !== truth.revision)
          this.fail(`I4 ${havip}: ${host.id} has epoch ${host.epoch(havip)}, the store ${truth.revision}`);
      }
    }
    for (const host of this.#stage.hosts) {
      if (host.pending > 0) this.fail(`I7 ${host.id}: ${host.pending} claims were never settled`);
      const gaps = host.fabric?.counters.gaps ?? 0;
      if (this.#restores === 0 && gaps > 0) this.fail(`${host.id}: events were lost ${gaps} times`);
    }
  }
}

function wanted(truth: BindingRecord | null, host: SimulatedHost): string {
  if (truth === null) return 'nobody';
  return textOf({ isHere: truth.host === host.id, mac: truth.mac ?? '' });
}

function textOf(programmed: Programmed | null): string {
  return programmed === null ? 'nobody' : `${programmed.isHere ? 'here' : 'beyond'} ${programmed.mac}`;
}
