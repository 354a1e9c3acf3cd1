/**
 * A lane: all that one worker and the main thread share. Shared memory and nothing else, so either side can be read here whole.
 *
 *   control     stop flag, doorbell, generation of the policy in use, refused pushes
 *   counters    doubles with one writer, the worker: frames by protocol, verdicts, absorbed refreshes, capture drops, its last turn
 *   urgent      ring of claims that may change a binding, and of link changes
 *   routine     ring of refreshes, adverts and samples of what was refused. Two rings, so that the claim of a new holder never
 *               waits behind refreshes and never finds the ring full of them (docs/design.md, rule 6)
 *
 * Per port there are verdict counters in a block that all lanes share; a port belongs to one worker, so each word has one writer. What
 * is held, which the main thread writes, is shared by all lanes too (filter/held.ts).
 *
 * The rings are drawn in ring.ts and a slot of theirs in slot.ts; the worker's side is teller.ts, budget.ts and writer.ts, the main
 * thread's reader.ts and inbox.ts, what goes between them as messages commands.ts.
 */
import { MAX_PLACES } from '../base/network.ts';
import { PROTOCOLS, VERDICTS } from '../base/verdict.ts';
import { ClaimRing } from './ring.ts';

const STOP = 0;
const DOORBELL = 1;
const POLICY_GENERATION = 2;
const READY = 3;
const COMMANDS = 4;
const CONTROL_WORDS = 16;

export const URGENT_SLOTS = 2048;
const ROUTINE_SLOTS = 2048;

/** Words of `tallies`. */
export const ABSORBED = 0;
export const RING_FULL = 1;
export const KERNEL_DROPS = 2;
export const TALLIES = 3;

const COUNTERS = PROTOCOLS.length + VERDICTS.length + TALLIES + 1;

export class Lane {
  readonly memory: SharedArrayBuffer;
  readonly urgent: ClaimRing;
  readonly routine: ClaimRing;
  /** Frames by protocol, in the order of PROTOCOLS. */
  readonly frames: Float64Array;
  /** Frames by verdict, in the order of VERDICTS. */
  readonly verdicts: Float64Array;
  /** ABSORBED: repetitions counted without telling the main thread. RING_FULL: claims that a full ring refused. KERNEL_DROPS: frames. */
  readonly tallies: Float64Array;
  /** One word: when the worker's last turn began, on the monotonic clock; 0 before its first one. */
  readonly turnedNs: Float64Array;
  readonly #control: Int32Array;

  /** Attaches to a lane's memory, or makes a new lane. */
  constructor(memory = new SharedArrayBuffer(laneBytes())) {
    this.memory = memory;
    this.#control = new Int32Array(memory, 0, CONTROL_WORDS);
    const counters = new Float64Array(memory, CONTROL_WORDS * 4, COUNTERS);
    this.frames = counters.subarray(0, PROTOCOLS.length);
    this.verdicts = counters.subarray(PROTOCOLS.length, PROTOCOLS.length + VERDICTS.length);
    this.tallies = counters.subarray(PROTOCOLS.length + VERDICTS.length, -1);
    this.turnedNs = counters.subarray(-1);
    this.urgent = new ClaimRing(memory, ringsAt(), URGENT_SLOTS);
    this.routine = new ClaimRing(memory, ringsAt() + ClaimRing.bytesFor(URGENT_SLOTS), ROUTINE_SLOTS);
  }

  get stopped(): boolean {
    return Atomics.load(this.#control, STOP) === 1;
  }

  /** The worker must also be woken from its wait for frames. */
  stop(): void {
    Atomics.store(this.#control, STOP, 1);
  }

  /**
   * Worker: something was pushed. One ring per batch, not per claim. Ringing before the batch is judged, so that the main thread wakes
   * meanwhile, was tried and lost: 340 against 362 us a claim, but 345 against 296 in the next pair of runs. So did a byte through a
   * socket pair: 51 against 45 us until the main thread runs.
   */
  ringDoorbell(): void {
    Atomics.add(this.#control, DOORBELL, 1);
    Atomics.notify(this.#control, DOORBELL);
  }

  /** Main thread: to be read before draining, and handed to `rung` after it. */
  get doorbell(): number {
    return Atomics.load(this.#control, DOORBELL);
  }

  /** Main thread: resolves when the doorbell has moved on from `seen`. Wakes an idle main thread in 35 us (median). */
  async rung(seen: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#control, DOORBELL, seen);
    if (wait.async) await wait.value;
  }

  /** The policy that the worker judges by now; an older one is no longer read. */
  get policyGeneration(): number {
    return Atomics.load(this.#control, POLICY_GENERATION);
  }

  set policyGeneration(generation: number) {
    Atomics.store(this.#control, POLICY_GENERATION, generation);
  }

  /** How many commands of the main thread the worker has carried out. */
  get commandsDone(): number {
    return Atomics.load(this.#control, READY);
  }

  /** Main thread: a command has been posted. */
  commandSent(): void {
    Atomics.add(this.#control, COMMANDS, 1);
  }

  /** Worker: commands wait. To ask the message port itself takes 20 us on a CPU that has just woken. */
  get hasCommands(): boolean {
    return Atomics.load(this.#control, COMMANDS) !== this.commandsDone;
  }

  commandDone(): void {
    Atomics.add(this.#control, READY, 1);
  }
}

function ringsAt(): number {
  return Math.ceil((CONTROL_WORDS * 4 + COUNTERS * 8) / 64) * 64;
}

function laneBytes(): number {
  return ringsAt() + ClaimRing.bytesFor(URGENT_SLOTS) + ClaimRing.bytesFor(ROUTINE_SLOTS);
}

/** Verdicts by place, for the API and `status`: index port * VERDICTS.length + verdict. */
export function newPortVerdicts(): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(MAX_PLACES * VERDICTS.length * 8));
}
