/**
 * Disputes over a HAVIP with real frames: guests whose wires announce at a given pace, against the whole agent. The bench runs them
 * long, the test short (test/lab/contest.test.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { arp, vrrp } from '../native-fixtures/frames.ts';
import type { AgentProcess, ApiObject } from '../native-fixtures/lab/agent.ts';
import type { Guest } from '../native-fixtures/lab/guest.ts';
import { Lab } from '../native-fixtures/lab/lab.ts';
import type { Wire } from '../native-fixtures/lab/wire.ts';
import { HAVIP } from '../native-fixtures/lab/topology.ts';
import type { PhasesMs } from '../src/ledger/effects.ts';
import type { HavipView } from '../src/ledger/view.ts';
import { buildFlood, startFlood } from './flood.ts';

const PATH = '/api/v1/havips/havip-1';
const ANNOUNCE_MS = 100;
const ADVERT_MS = 1000;
/** The ledger's first one (ledger/limits.ts). */
const HOLD_MS = 1000;
const FLOOD_PER_SECOND = 50_000;
/** The ledger's wait grows to 10 s; and some time for the machine. */
const LIMIT_MS = 30_000;
/** A pace is learned after 2 s; whoever was silent for 2 s, or for 1 s after keeping a pace, starts anew (ledger/claimant.ts). */
const SUSTAINED_MS = 2500;
const RESTART_MS = 2200;
/** Equal pauses would be learned as the sender's pace where the machine was too busy for the flood to show one. */
const UNEVEN_MS = 900;

/** A guest that announces the HAVIP each 100 ms and advertises it each second as VRRP master, until stopped. */
class FlappingMaster implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #wire: Wire;

  constructor(lab: Lab, instance: string, priority: number) {
    const { spec } = lab.guest(instance);
    const announced = announcement(lab.guest(instance));
    const advert = vrrp({ source: spec.mac, ipSource: spec.address, priority, addresses: [HAVIP] });
    const wire = lab.guest(instance).openWire();
    this.#wire = wire;
    let said = 0;
    this.#timer = setInterval(() => {
      if ((said++ * ANNOUNCE_MS) % ADVERT_MS === 0) wire.send(advert);
      wire.send(announced);
    }, ANNOUNCE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#wire.close();
  }
}

export interface FlapResult {
  /** Times of the signs that moved it from one to the other, in milliseconds since 1970; the first never waits. */
  readonly movedAtMs: readonly number[];
  /** While both went on. */
  readonly view: HavipView;
  readonly survivor: string;
  /** From the end of the holder's announcing until the agent said that the other one holds it. */
  readonly handoverMs: number;
}

/** Two masters that do not hear each other, for so long; then the one that holds it falls silent. */
export async function flap(lab: Lab, agent: AgentProcess, seconds: number): Promise<FlapResult> {
  using one = new FlappingMaster(lab, 'cvm-1', 100);
  await until(agent, 'cvm-1');
  using two = new FlappingMaster(lab, 'cvm-2', 80);
  await sleep(seconds * 1000);
  const view = await agent.api<HavipView>(PATH);
  const movedAtMs = (await agent.events()).filter(({ kind }) => kind === 'failover').map(signAtMs);
  const [loser, survivor] = view.holder?.instance === 'cvm-1' ? [one, 'cvm-2'] : [two, 'cvm-1'];
  loser.stop();
  const stoppedMs = Date.now();
  await until(agent, survivor);
  const last = (await moves(agent)).at(-1);
  return { movedAtMs, view, survivor, handoverMs: Date.parse(String(last?.['at'])) - stoppedMs };
}

export interface FloodResult {
  /** Changes of the binding for each real claim, until its sender had held the HAVIP for a while; Infinity: it did not. */
  readonly changes: readonly number[];
  readonly frames: number;
  readonly seconds: number;
}

/** cvm-1 announces 50,000 times a second; cvm-2 claims, so many times; in between cvm-1 gets it back by stopping and starting anew. */
export async function claimUnderFlood(lab: Lab, agent: AgentProcess, claims: number): Promise<FloodResult> {
  const folder = mkdtempSync(join(tmpdir(), 'havip-flood-'));
  const [flooder, claimer] = [lab.guest('cvm-1'), lab.guest('cvm-2')];
  const changes: number[] = [];
  let [frames, seconds] = [0, 0];
  try {
    const program = buildFlood(folder);
    for (let i = 0; i < claims; i++) {
      const flood = startFlood(program, flooder, [announcement(flooder)], FLOOD_PER_SECOND, LIMIT_MS / 500);
      await until(agent, 'cvm-1');
      const { epoch } = await agent.api<HavipView>(PATH);
      claimer.sendFrame(announcement(claimer));
      await until(agent, 'cvm-2');
      await sleep(SUSTAINED_MS); // the flood goes on, and changes nothing
      const held = await agent.api<HavipView>(PATH);
      changes.push(held.holder?.instance === 'cvm-2' ? held.epoch - epoch : Infinity);
      const sent = await flood.stop();
      frames += sent.frames;
      seconds += sent.seconds;
      await sleep(RESTART_MS + (i % 2) * UNEVEN_MS);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { changes, frames, seconds };
}

/** The long forms, all at once: they wait, most of the time. */
export async function benchContests(print: (line: string) => void): Promise<void> {
  const [flapped, ...flooded] = await Promise.all([
    inLab((lab, agent) => flap(lab, agent, 60)),
    inLab((lab, agent) => claimUnderFlood(lab, agent, 10)),
    inLab((lab, agent) => claimUnderFlood(lab, agent, 10)),
  ]);
  const { movedAtMs, view, survivor, handoverMs } = flapped;
  const gaps = movedAtMs.slice(1).map((at, i) => at - movedAtMs[i]!);
  print(
    `  two masters, each announcing every ${ANNOUNCE_MS} ms for 60 s: ${movedAtMs.length} moves, ` +
      `${gaps.length === 0 ? '' : `at least ${Math.min(...gaps).toFixed(1)} ms apart; `}contested: ${view.contested}; the other stops: ${survivor} holds it after ${handoverMs} ms`,
  );
  const changes = flooded.flatMap((result) => result.changes);
  const rates = flooded.map(({ frames, seconds }) => Math.round(frames / seconds));
  const held = changes.filter((count) => count === 1).length;
  print(
    `  claims while the other floods (${rates.join(' and ')} announcements/s): ` +
      `${held} of ${changes.length} held, at most ${Math.max(...changes)} change for each`,
  );
  if (!view.contested || held !== changes.length) throw new Error('failover: a dispute ended wrong');
}

async function inLab<T>(run: (lab: Lab, agent: AgentProcess) => Promise<T>): Promise<T> {
  await using lab = await Lab.create({ guests: ['cvm-1', 'cvm-2'] });
  return await run(lab, await lab.startAgent());
}

function announcement({ spec }: Guest): Uint8Array {
  return arp({ source: spec.mac, senderAddress: HAVIP });
}

function until(agent: AgentProcess, instance: string): Promise<HavipView> {
  return agent.waitForApi<HavipView>(PATH, `${instance} as holder`, ({ holder }) => holder?.instance === instance, LIMIT_MS);
}

/** A wait counts from the claim's capture, not from the decision, which may be a gathering (src/agent/gather.ts) later; or from a wait's end. */
function signAtMs({ at, phasesMs }: ApiObject): number {
  const { verdict } = phasesMs as PhasesMs;
  return Date.parse(String(at)) - (verdict < HOLD_MS / 2 ? verdict : 0);
}

async function moves(agent: AgentProcess): Promise<ApiObject[]> {
  return (await agent.events()).filter(({ kind, from }) => kind === 'bound' && from !== null);
}
