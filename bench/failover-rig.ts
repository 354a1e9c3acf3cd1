/**
 * One pair of real keepalived guests that fails over again and again, and two witnesses: the agent, phase by phase, and a client
 * that pings the HAVIP each millisecond. The reference configuration, as published, on both guests; only a preemption needs more:
 * its newcomer has priority 100 and may preempt.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../native-fixtures/lab/agent.ts';
import type { Guest } from '../native-fixtures/lab/guest.ts';
import type { Keepalived, KeepalivedOptions } from '../native-fixtures/lab/keepalived.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import { monotonicMs, type Ping } from '../native-fixtures/lab/ping.ts';
import { HAVIP } from '../native-fixtures/lab/topology.ts';
import type { Cause, PhasesMs } from '../src/ledger/effects.ts';
import type { FailoverView } from '../src/api/types.ts';
import type { HavipView } from '../src/ledger/view.ts';

/** What is done to the holder or, for `preempt`, beside it. */
export const KINDS = ['crash with link loss', 'crash without link loss', 'hung machine', 'clean stop', 'preemption'] as const;
export type Kind = (typeof KINDS)[number];

const CAUSE_OF: Readonly<Record<Kind, Cause>> = {
  'crash with link loss': 'link-down',
  'crash without link loss': 'silence',
  'hung machine': 'hung',
  'clean stop': 'resign',
  preemption: 'preempt',
};

export interface Setting {
  readonly version: 2 | 3;
  readonly assist: boolean;
  /** Of everybody; the reference configuration's by default. */
  readonly priority?: number;
  /** Who may hold it, 2 by default; of three each has a priority of its own. */
  readonly members?: 2 | 3;
}

export interface Run extends Setting {
  readonly kind: Kind;
  readonly from: string;
  readonly to: string;
  readonly cause: Cause;
  readonly phasesMs: PhasesMs;
  /** From the last reply before to the first reply after; 0 when every ping was answered. */
  readonly outageMs: number;
  /** How often it moved: once, or the end is not what the first move made it. */
  readonly moves: number;
  /** How often it may move: of three backups whose priorities nobody has heard yet two may take over, and the better one remains. */
  readonly movesMost: number;
}

interface Member {
  guest: Guest;
  keepalived: Keepalived;
}

const MEMBERS = ['cvm-1', 'cvm-2', 'cvm-3'];

const PATH = '/api/v1/havips/havip-1';
/** Longer than the whole bench takes. */
const PING_LIMIT_MS = 900_000;
/** Before the agent is asked: a question in the middle of a failover would be measured with it. */
const UNDISTURBED_MS = 100;
/** Of three, two may become masters for a moment. */
const SETTLED_MS = 500;

function optionsOf({ version, priority, members = 2 }: Setting, lab: Lab, { spec }: Guest): KeepalivedOptions {
  if (members === 2) return priority === undefined ? { version } : { version, priority };
  const others = MEMBERS.filter((name) => name !== spec.instance).map((name) => lab.guest(name).spec.address);
  return { version, priority: 80 + 10 * MEMBERS.indexOf(spec.instance), peers: others };
}

export class Rig {
  readonly setting: Setting;
  readonly agent: AgentProcess;
  readonly #lab: Lab;
  readonly #ping: Ping;
  #holder: Member;
  #backup: Member;
  /** The third one, if there is one. */
  readonly #other: Member | null;
  /** No backup has spoken yet. */
  #isUnheard: boolean;

  private constructor(setting: Setting, lab: Lab, agent: AgentProcess, ping: Ping, members: readonly Member[]) {
    this.setting = setting;
    this.#lab = lab;
    this.agent = agent;
    this.#ping = ping;
    const [holder, backup, other = null] = members;
    this.#holder = holder!;
    this.#backup = backup!;
    this.#other = other;
    this.#isUnheard = other !== null;
  }

  static async create(setting: Setting): Promise<Rig> {
    const names = MEMBERS.slice(0, setting.members ?? 2);
    const lab = await Lab.create({ guests: [...names, 'client'] });
    try {
      const config = lab.config(({ vpcs: [vpc] }) => {
        const [havip] = vpc!.havips;
        havip!.members = names;
        if (setting.assist) havip!['assist'] = { on: ['link-down', 'hung'] };
      });
      const agent = await lab.startAgent({ config, realtime: true });
      const members: Member[] = [];
      for (const name of names) {
        const guest = lab.guest(name);
        const keepalived = await guest.keepalived(optionsOf(setting, lab, guest));
        if (members.length === 0) await keepalived.enters('MASTER');
        members.push({ guest, keepalived });
      }
      const ping = lab.client.ping(HAVIP, { intervalMs: 1, limitMs: PING_LIMIT_MS, realtime: true });
      await ping.reply();
      return new Rig(setting, lab, agent, ping, members);
    } catch (error) {
      lab.destroy();
      throw error;
    }
  }

  /** One failover of this kind, and afterwards the pair as it was, with its roles swapped. @param waitMs before it begins */
  async run(kind: Kind, waitMs: number): Promise<Run> {
    const { failovers } = await this.#view();
    if (kind === 'preemption') await this.#backup.keepalived.stop();
    await sleep(waitMs);
    const sinceMs = monotonicMs();
    const undo = await this.#act(kind);
    if (this.#other === null) await this.#backup.keepalived.enters('MASTER');
    await sleep(this.#other === null ? UNDISTURBED_MS : SETTLED_MS);
    const done = (view: HavipView) => view.failovers > failovers && view.lastFailover?.phasesMs.programming !== undefined;
    await this.agent.waitForApi<HavipView>(PATH, `the end of a failover: ${kind}`, done);
    const outage = await this.#ping.outageUntilReply(sinceMs);
    const view = await this.#view();
    const moves = view.failovers - failovers;
    const { from, cause, phasesMs } = (await this.agent.api<FailoverView[]>(`${PATH}/failovers`)).at(-moves)!;
    const { to } = view.lastFailover!;
    const movesMost = this.#isUnheard ? 2 : 1;
    this.#isUnheard = false;
    this.#swap(to);
    await undo();
    return { ...this.setting, kind, from, to, cause, phasesMs, outageMs: outage?.durationMs ?? 0, moves, movesMost };
  }

  [Symbol.dispose](): void {
    this.#lab.destroy();
  }

  /** The one that took over is the holder now; who lost it waits. */
  #swap(to: string): void {
    const lost = this.#holder;
    if (this.#other?.guest.spec.instance === to) {
      const { guest, keepalived } = this.#other;
      Object.assign(this.#other, this.#backup);
      this.#holder = { guest, keepalived };
    } else this.#holder = this.#backup;
    this.#backup = lost;
  }

  /** Returns what makes the guest that lost the HAVIP a backup again. */
  async #act(kind: Kind): Promise<() => Promise<void>> {
    if (kind === 'preemption') {
      await this.#restart(this.#backup, { priority: 100, preempt: true });
      return () => this.#demote();
    }
    const lost = this.#holder;
    const cut = kind === 'crash with link loss';
    if (kind === 'hung machine') {
      await lost.guest.hang();
      return async () => {
        await lost.keepalived.crash();
        await lost.guest.wake();
        await lost.guest.forget(HAVIP);
        await this.#restart(lost);
      };
    }
    if (kind === 'clean stop') await lost.keepalived.stop();
    // Both at once, as when the machine's process ends: keepalived gets no time to tell anybody.
    else await Promise.all([lost.keepalived.crash(), cut ? lost.guest.linkDown() : null]);
    return async () => {
      if (kind !== 'clean stop') await lost.guest.forget(HAVIP);
      if (cut) await lost.guest.linkUp();
      await this.#restart(lost);
    };
  }

  async #restart(member: Member, options: KeepalivedOptions = {}): Promise<void> {
    member.keepalived = await member.guest.keepalived({ ...optionsOf(this.setting, this.#lab, member.guest), ...options });
  }

  /** The preemptor gives way to the reference configuration: this failover is not counted. */
  async #demote(): Promise<void> {
    const preemptor = this.#holder;
    const { failovers } = await this.#view();
    await preemptor.keepalived.stop();
    await this.agent.waitForApi<HavipView>(PATH, 'the way back after a preemption', (view) => view.failovers > failovers);
    [this.#holder, this.#backup] = [this.#backup, this.#holder];
    await this.#restart(preemptor);
  }

  #view(): Promise<HavipView> {
    return this.agent.api<HavipView>(PATH);
  }
}

export function settingOf({ version, assist, priority, members }: Setting): string {
  const parts = [`v${version}`, priority === undefined ? null : `priority ${priority}`, members === 3 ? 'three members' : null];
  return [...parts, assist ? 'assisted' : null].filter((part) => part !== null).join(', ');
}

/** What is wrong with the account of a failover, or null; speed is not looked at. */
export function mistakeIn(run: Run): string | null {
  const { kind, cause, phasesMs, from, to, moves, movesMost } = run;
  const told = `${settingOf(run)}, ${kind}, ${from} -> ${to}`;
  if (cause !== CAUSE_OF[kind]) return `${told}: cause ${cause}`;
  if (moves > movesMost) return `${told}: it moved ${moves} times`;
  const { total, ...parts } = phasesMs;
  const sum = Object.values(parts).reduce((all, ms) => all + ms, 0);
  return Math.abs(sum - total) > 0.0005 ? `${told}: the phases add up to ${sum} ms, total is ${total} ms` : null;
}

/** How far the agent's total is from what the client saw; null where the old holder goes on answering, or may have lived on after its last sign. */
export function disagreementMs({ kind, phasesMs, outageMs }: Run): number | null {
  return kind === 'crash without link loss' || kind === 'hung machine' ? null : Math.abs(phasesMs.total - outageMs);
}
