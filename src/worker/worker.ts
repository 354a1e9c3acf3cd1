/**
 * The hot half, whole: frames -> decode -> judge -> count -> push. One long task per worker thread; nothing here awaits, logs,
 * formats or throws, and nothing is allocated for a frame that is not a claim.
 *
 *     wait ──> drain ──> judge ──> counters
 *      ^         |            └─ decodeFrame: claims, releases ─> lane.urgent  ┐
 *      |         └─ link changes ───────────────────────────────> lane.urgent  ├─> doorbell, once per batch
 *      └── commands of the main thread       refreshes, adverts ──> lane.routine ┘
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import { clockNs, CLOCK_REALTIME, close } from '../abi/libc.ts';
import { systemClock } from '../base/clock.ts';
import { MAX_PORTS } from '../base/network.ts';
import { V, VERDICTS } from '../base/verdict.ts';
import type { FrameSink, FrameSource, LinkSink } from '../capture/source.ts';
import { openSource } from '../capture/open.ts';
import { decodeFrame } from '../decode/frame.ts';
import { OTHER, Sighting, VRRP } from '../decode/sighting.ts';
import { eachAdvertisedHavip, judge } from '../filter/judge.ts';
import { HAVIP_WORDS, Policy } from '../filter/policy.ts';
import { newAdvertBudget, newClaimBudget } from '../lane/budget.ts';
import type { WorkerCommand, WorkerMessage, WorkerTask } from '../lane/commands.ts';
import { Holders } from '../lane/holders.ts';
import { Lane } from '../lane/lane.ts';
import { ADVERT, ANNOUNCE, kindOf, pushClaim, pushLink, REFUSED, RELEASE, RELOCATE } from '../lane/writer.ts';
import { inlineTheJudge } from '../abi/inliner.ts';
import { Pace } from './pace.ts';
import { Unseen } from './unseen.ts';
import { warmUpWorker } from './rehearsal.ts';

/** Frames of one port in one turn: a flooding port cannot keep its neighbours waiting longer than this takes (about 30 us). */
const BUDGET_PER_PORT = 256;
const IDLE_MS = 500;
const LINK_STATES = ['absent', 'down', 'up'] as const;

const SAMPLE_NS = 1e9;
const UNSEEN_NS = 0.5e9;

export default function run(task: WorkerTask): void {
  const lane = new Lane(task.lane);
  const tell = (message: WorkerMessage) => task.commands.postMessage(message);
  inlineTheJudge();
  warmUpWorker(pump);
  const source = openSource(task.source, { trouble: (port, message) => tell({ port, message }), needs: tell });
  try {
    pump(task, lane, source);
  } finally {
    for (const command of commandsOf(task)) if (command.do === 'supply') source.supply?.(command.rings, command.failed);
    source.close();
    close(task.source.wakeFd);
    task.commands.close();
  }
}

function* commandsOf({ commands }: Pick<WorkerTask, 'commands'>): Generator<WorkerCommand> {
  for (let next = receiveMessageOnPort(commands); next; next = receiveMessageOnPort(commands))
    yield next.message as WorkerCommand;
}

function pump(task: Pick<WorkerTask, 'portVerdicts' | 'commands'>, lane: Lane, source: FrameSource): void {
  const portVerdicts = new Float64Array(task.portVerdicts);
  const refusedNs = new Float64Array(MAX_PORTS * VERDICTS.length).fill(-SAMPLE_NS);
  const sighting = new Sighting();
  let policy: Policy | null = null;
  let holders = new Holders(0);
  const unseen = new Unseen(source, lane, portVerdicts);
  const pace = new Pace();
  const claimBudget = newClaimBudget();
  const advertBudget = newAdvertBudget();
  let pushed = false;
  let changed = false;
  let countedNs = 0;
  let nowNs = 0;
  let nowSeconds = 0;
  let nowNanoseconds = 0;

  const onFrame: FrameSink = (bytes, offset, captured, _length, port, tag, seconds, nanoseconds) => {
    if (policy === null) return;
    const verdict = judge(policy, bytes, offset, captured, tag, port, sighting);
    lane.frames[sighting.protocol]!++;
    lane.verdicts[verdict]!++;
    portVerdicts[port * VERDICTS.length + verdict]!++;
    // The frame's age on the wall clock, counted back on the monotonic one: a step of the wall clock cannot get in between.
    const ageNs = (nowSeconds - seconds) * 1e9 + (nowNanoseconds - nanoseconds);
    const capturedNs = nowNs - (ageNs > 0 ? ageNs : 0);
    const kind = kindOf(verdict);
    if (kind >= 0) accept(policy, kind, verdict, port, capturedNs, bytes, offset, captured);
    else if (!VERDICTS[verdict]!.pass) refuse(verdict, port, capturedNs, bytes, offset, captured, tag);
  };

  function accept(
    by: Policy,
    kind: number,
    verdict: number,
    port: number,
    ns: number,
    bytes: Uint8Array,
    at: number,
    captured: number,
  ): void {
    if (kind === ADVERT || kind === RELEASE) {
      eachAdvertisedHavip(by, bytes, at, port, sighting, (havip) => {
        push(kind, verdict, port, havip, by.words[by.havipsAt + havip * HAVIP_WORDS + 2]!, ns, bytes, at, captured);
      });
    } else {
      decodeFrame(bytes, at, captured, 0, sighting);
      push(kind, verdict, port, sighting.havip, sighting.senderAddress, ns, bytes, at, captured);
    }
  }

  function push(
    kind: number,
    verdict: number,
    port: number,
    havip: number,
    address: number,
    ns: number,
    bytes: Uint8Array,
    at: number,
    captured: number,
  ): void {
    const budget = kind === ADVERT ? advertBudget : claimBudget;
    if (!budget.take(port, havip, kind, ns)) {
      lane.tallies[0]!++;
      return;
    }
    const change = kind === RELEASE || kind === RELOCATE || (kind === ANNOUNCE && holders.ports[havip] !== port);
    const ring = change ? lane.urgent : lane.routine;
    changed ||= change;
    pushed = pushClaim(lane, ring, kind, verdict, port, havip, address, ns, sighting, bytes, at, captured) || pushed;
  }

  function refuse(verdict: number, port: number, ns: number, bytes: Uint8Array, at: number, captured: number, tag: number): void {
    if (verdict === V['unknown-port']) return;
    const slot = port * VERDICTS.length + verdict;
    if (ns - refusedNs[slot]! < SAMPLE_NS) return;
    refusedNs[slot] = ns;
    decodeFrame(bytes, at, captured, tag, sighting);
    const address = sighting.protocol === VRRP ? sighting.ipSource : sighting.protocol === OTHER ? 0 : sighting.senderAddress;
    pushed =
      pushClaim(lane, lane.routine, REFUSED, verdict, port, sighting.havip, address, ns, sighting, bytes, at, captured) || pushed;
  }

  const onLink: LinkSink = (port, state, ifindex) => {
    // A full ring of changes empties within a millisecond; a lost link change would never be told again.
    while (!pushLink(lane, port, LINK_STATES.indexOf(state), ifindex, nowNs)) lane.ringDoorbell();
    pushed = true;
  };

  const obey = (command: WorkerCommand) => {
    if (command.do === 'policy') {
      policy = new Policy(command.policy);
      holders = new Holders(command.holders);
      lane.policyEpoch = policy.epoch;
    } else if (command.do === 'attach') {
      source.attach(command.port, command.interface);
      unseen.follow(command.port);
    } else if (command.do === 'detach') {
      unseen.forget(command.port);
      source.detach(command.port);
    } else {
      source.supply?.(command.rings, command.failed);
    }
    lane.commandDone();
  };

  while (!lane.stopped) {
    source.wait(IDLE_MS);
    if (lane.hasCommands) for (const command of commandsOf(task)) obey(command);
    nowNs = systemClock.nowNs();
    const wall = clockNs(CLOCK_REALTIME);
    nowSeconds = Math.floor(wall / 1e9);
    nowNanoseconds = wall - nowSeconds * 1e9;
    const frames = source.drain(onFrame, onLink, BUDGET_PER_PORT);
    if (pushed) lane.ringDoorbell();
    pushed = false;
    if (nowNs - countedNs > UNSEEN_NS) {
      countedNs = nowNs;
      unseen.count();
    }
    if (changed) pace.restAfterChange();
    else if (frames > 0) pace.rest(nowNs);
    changed = false;
  }
  unseen.count();
}
