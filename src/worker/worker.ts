/**
 * The hot half, whole: frames -> decode -> judge -> count -> push. One long task per worker thread; nothing here awaits, logs,
 * formats or throws, and nothing is allocated for a frame that is not a claim.
 *
 *     wait ──> drain ──> judge ──> counters
 *      ^         |            └─> teller: claims, resigns ──────> lane.urgent  ┐
 *      |         └─ link changes ───────────────────────────────> lane.urgent  ├─> doorbell, once per batch
 *      └── commands of the main thread       refreshes, adverts ──> lane.routine ┘
 *
 * In the same thread: pace.ts says when to rest, unseen.ts counts what was never seen, rehearsal.ts runs it all once before the first
 * frame. On the main thread: crew.ts starts and commands the workers, deployment.ts hands them what they judge by.
 */
import { receiveMessageOnPort } from 'node:worker_threads';
import { clockNs, CLOCK_REALTIME } from '../abi/libc.ts';
import { systemClock } from '../base/clock.ts';
import { tellFailure, type ToldFailure } from '../base/failure.ts';
import { LINK_STATES, MAX_PORTS } from '../base/network.ts';
import { V, VERDICTS } from '../base/verdict.ts';
import type { FrameSink, FrameSource, LinkSink } from '../capture/source.ts';
import { openSource } from '../capture/open.ts';
import { viewOf } from '../decode/bytes.ts';
import { isCut } from '../decode/cut.ts';
import { Sighting, VRRP } from '../decode/sighting.ts';
import { Held } from '../filter/held.ts';
import { judge } from '../filter/judge.ts';
import { Elsewhere } from '../filter/elsewhere.ts';
import { Policy } from '../filter/policy.ts';
import { PortBudgets } from '../lane/budget.ts';
import type { WorkerCommand, WorkerMessage, WorkerTask } from '../lane/commands.ts';
import { Lane } from '../lane/lane.ts';
import { markOf, Samples } from '../lane/samples.ts';
import * as SLOT from '../lane/slot.ts';
import { Teller } from '../lane/teller.ts';
import { kindOf, pushLink } from '../lane/writer.ts';
import { collectRehearsed } from '../abi/engine.ts';
import { inlineTheJudge } from '../abi/inliner.ts';
import { Pace } from './pace.ts';
import { Unseen } from './unseen.ts';
import { Uplinks } from './uplinks.ts';
import { rehearse } from './rehearsal.ts';

/** Frames of one port in one turn: a flooding port cannot keep its neighbours waiting longer than this takes (about 30 us). */
const BUDGET_PER_PORT = 256;
const IDLE_MS = 500;
const UNSEEN_NS = 0.5e9;
const { REFUSED } = SLOT;
const CUT = V.cut;
const OTHER_IP = V['other-ip'];

export default function run(task: WorkerTask): ToldFailure | undefined {
  const lane = new Lane(task.lane);
  const tell = (message: WorkerMessage) => task.commands.postMessage(message);
  let source: FrameSource | null = null;
  try {
    inlineTheJudge();
    rehearse(pump);
    collectRehearsed();
    source = openSource(task.source, { trouble: (port, message) => tell({ port, message }), needs: tell });
    pump(task, lane, source);
    return undefined;
  } catch (error) {
    return tellFailure(error);
  } finally {
    for (const command of commandsOf(task)) if (command.do === 'supply') source?.supply?.(command.rings, command.failed);
    source?.close();
    task.commands.close();
  }
}

function* commandsOf({ commands }: Pick<WorkerTask, 'commands'>): Generator<WorkerCommand> {
  for (let next = receiveMessageOnPort(commands); next; next = receiveMessageOnPort(commands))
    yield next.message as WorkerCommand;
}

/**
 * Rings at once: of a hundred interfaces that vanish together the kernel takes a hundred sockets back before the batch is over.
 * A lost link change would never be told again. A full ring empties within a millisecond, but for a main thread that is held up.
 */
function tellLink(lane: Lane, pace: Pace, atNs: number, ...[port, state, ifindex, carriers]: Parameters<LinkSink>): void {
  while (!pushLink(lane, port, LINK_STATES.indexOf(state), ifindex, carriers, atNs) && !lane.stopped) {
    lane.ringDoorbell();
    pace.restAfterChange();
  }
  lane.ringDoorbell();
}

/** The policy to judge by from now on. */
function changeOver(command: Extract<WorkerCommand, { do: 'policy' }>, lane: Lane, teller: Teller, uplinks: Uplinks): Policy {
  const policy = new Policy(command.policy, new Held(command.held));
  teller.follow(policy);
  uplinks.follow(policy, command.elsewhere === null ? null : new Elsewhere(command.elsewhere));
  lane.policyGeneration = policy.generation;
  return policy;
}

/** Accepted VRRP over IPv6 is plain IP to the judge. */
function isEvidence(verdict: number, protocol: number): boolean {
  return verdict === CUT || (verdict === OTHER_IP && protocol === VRRP);
}

function isSample(
  samples: Samples,
  second: number,
  port: number,
  verdict: number,
  bytes: Uint8Array,
  at: number,
  captured: number,
  havip: number,
): boolean {
  return samples.take(port, verdict, markOf(viewOf(bytes), at, captured, havip), second);
}

function pump(task: Pick<WorkerTask, 'portVerdicts' | 'commands'>, lane: Lane, source: FrameSource): void {
  const portVerdicts = new Float64Array(task.portVerdicts);
  const sighting = new Sighting();
  const teller = new Teller(lane, sighting, new PortBudgets(MAX_PORTS));
  const samples = new Samples(MAX_PORTS);
  let policy: Policy | null = null;
  const unseen = new Unseen(source, lane, portVerdicts);
  const pace = new Pace();
  let [countedNs, nowNs] = [0, 0];
  let [nowSeconds, nowNanoseconds] = [0, 0];

  /** The frame's age on the wall clock, counted back on the monotonic one: a step of the wall clock cannot get in between. */
  const toCaptured = (seconds: number, nanoseconds: number) =>
    nowNs - Math.max(0, (nowSeconds - seconds) * 1e9 + (nowNanoseconds - nanoseconds));
  const uplinks = new Uplinks(lane, portVerdicts, toCaptured, teller);

  const onFrame: FrameSink = (bytes, offset, captured, length, port, tag, seconds, nanoseconds) => {
    if (policy === null) return;
    let verdict = judge(policy, bytes, offset, captured, tag, port, sighting);
    if (length > captured && isCut(verdict, viewOf(bytes), offset, captured, length)) verdict = CUT;
    lane.frames[sighting.protocol]!++;
    lane.verdicts[verdict]!++;
    portVerdicts[port * VERDICTS.length + verdict]!++;
    const kind = kindOf(verdict);
    if (kind < 0 && !isEvidence(verdict, sighting.protocol)) return;
    if (kind === REFUSED && !isSample(samples, seconds, port, verdict, bytes, offset, captured, sighting.havip)) return;
    const capturedNs = toCaptured(seconds, nanoseconds);
    if (kind < 0) teller.evidence(verdict, port, capturedNs, bytes, offset, captured);
    else if (kind === REFUSED) teller.refusal(verdict, port, capturedNs, bytes, offset, captured, tag);
    else teller.claim(kind, verdict, port, capturedNs, bytes, offset, captured);
  };

  const onLink: LinkSink = (...change) => {
    tellLink(lane, pace, nowNs, ...change);
  };

  const obey = (command: WorkerCommand) => {
    if (command.do === 'policy') {
      policy = changeOver(command, lane, teller, uplinks);
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
    lane.turnedNs[0] = nowNs;
    const wall = clockNs(CLOCK_REALTIME);
    nowSeconds = Math.floor(wall / 1e9);
    nowNanoseconds = wall - nowSeconds * 1e9;
    const frames = source.drain(onFrame, onLink, BUDGET_PER_PORT, uplinks.onFrame);
    if (teller.pushed) lane.ringDoorbell();
    teller.pushed = false;
    if (nowNs - countedNs > UNSEEN_NS) {
      countedNs = nowNs;
      unseen.count();
    }
    if (teller.changed) pace.restAfterChange();
    else if (frames > 0) pace.rest(nowNs);
    teller.changed = false;
  }
  unseen.count();
}
