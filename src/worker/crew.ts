/**
 * The worker threads as the main thread sees them: started through piscina, one long task each; commanded by message and eventfd,
 * because a worker sits in epoll_wait; read through lanes.
 *
 * A port belongs to one worker, by its index.
 */
import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { close, eventfd, signalEvent } from '../abi/libc.ts';
import { must } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { throwTold, type ToldFailure } from '../base/failure.ts';
import { placeOf } from '../base/elsewhere.ts';
import type { Network } from '../base/network.ts';
import { policeTrouble } from '../capture/ring/police.ts';
import { descriptorsOf } from '../capture/ring/socket.ts';
import { RingSupply } from '../capture/ring/supply.ts';
import type { RingNeeds } from '../capture/source.ts';
import { PROTOCOLS, VERDICTS } from '../base/verdict.ts';
import type { Elsewhere } from '../filter/elsewhere.ts';
import type { Held } from '../filter/held.ts';
import type { Policy } from '../filter/policy.ts';
import { Lane, newPortVerdicts, TALLIES } from '../lane/lane.ts';
import { LaneReader } from '../lane/reader.ts';
import type { WorkerCommand, WorkerMessage, WorkerTask, WorkerTrouble } from '../lane/commands.ts';

export interface WorkersOptions {
  readonly count: number;
  readonly source: 'ring' | 'libpcap';
  readonly ringKib: number;
  /** Limit floods in the kernel, where it can; benches do without. */
  readonly policed?: boolean;
  /** A port could not be opened: one line for the log. */
  readonly onTrouble: (trouble: WorkerTrouble) => void;
}

interface Crew {
  readonly lane: Lane;
  readonly commands: MessagePort;
  readonly wakeFd: number;
}

/** Compiled JavaScript always: Node 20 cannot strip types, and tests run this file as TypeScript. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? '../../dist/src/worker/worker.js' : './worker.js', import.meta.url);

export class Workers {
  readonly readers: readonly LaneReader[];
  /** Rejects when a worker dies, which nothing a guest sends can bring about: with an OperatingError when the system is to blame. */
  readonly ended: Promise<void>;
  /** What this host cannot do, for `status`. */
  readonly notes: readonly string[];
  readonly #supply: RingSupply;
  readonly #crew: Crew[] = [];
  readonly #pool: Piscina;
  readonly #portVerdicts = newPortVerdicts();
  readonly #attached = new Map<number, string>();
  readonly #startedNs = systemClock.nowNs();

  constructor(options: WorkersOptions) {
    this.#pool = new Piscina({
      filename: WORKER.href,
      minThreads: options.count,
      maxThreads: options.count,
      idleTimeout: Number.POSITIVE_INFINITY,
      // The default parks an idle worker in Atomics.wait and wakes it for a next task that never comes.
      atomics: 'disabled',
    });
    const trouble = options.source === 'ring' ? policeTrouble() : null;
    this.notes = trouble === null ? [] : [`floods are not limited in the kernel (${trouble}): every frame costs the agent CPU`];
    const shape = { ringKib: options.ringKib, policed: trouble === null && options.policed !== false };
    this.#supply = new RingSupply(shape);
    const tasks: Promise<void>[] = [];
    for (let i = 0; i < options.count; i++) {
      const { port1, port2 } = new MessageChannel();
      const crew: Crew = { lane: new Lane(), commands: port1, wakeFd: eventfd() };
      const source = { kind: options.source, ...shape, wakeFd: crew.wakeFd };
      const task: WorkerTask = { lane: crew.lane.memory, portVerdicts: this.#portVerdicts.buffer, commands: port2, source };
      port1.on('message', (message: WorkerMessage) => {
        if ('port' in message) options.onTrouble(message);
        else void this.#meet(crew, message);
      });
      port1.unref();
      tasks.push((this.#pool.run(task, { transferList: [port2] }) as Promise<ToldFailure | undefined>).then(throwTold));
      this.#crew.push(crew);
    }
    this.readers = this.#crew.map((crew) => new LaneReader(crew.lane));
    this.ended = Promise.all(tasks).then(() => undefined);
  }

  /** All workers judge by this policy, and by what is held, from their next batch on. */
  setPolicy(policy: Policy, held: Held, table: Elsewhere | null): void {
    const elsewhere = table?.words.buffer ?? null;
    for (const crew of this.#crew) {
      this.#command(crew, { do: 'policy', policy: policy.words.buffer, held: held.memory, elsewhere });
    }
  }

  /** Captures the ports of the network and the uplinks at which somebody is believed, and no longer those that are not in it. */
  follow(network: Network): void {
    const wanted = new Map<number, string>();
    for (const port of network.ports) if (port !== null) wanted.set(port.index, port.interface);
    for (const uplink of network.uplinks) if (uplink?.trust === 'members') wanted.set(placeOf(uplink), uplink.interface);
    for (const [place, name] of this.#attached) {
      if (wanted.get(place) === name) continue;
      this.#command(this.#crewOf(place), { do: 'detach', port: place });
      this.#attached.delete(place);
    }
    for (const [place, name] of wanted) {
      if (this.#attached.has(place)) continue;
      this.#forgetVerdicts(place);
      this.#command(this.#crewOf(place), { do: 'attach', port: place, interface: name });
      this.#attached.set(place, name);
    }
  }

  /** Every command has been carried out. */
  get haveObeyed(): boolean {
    return this.#crew.every((crew) => !crew.lane.hasCommands);
  }

  framesByProtocol(): number[] {
    return sumOf(PROTOCOLS.length, this.#crew, (crew) => crew.lane.frames);
  }

  verdicts(): number[] {
    return sumOf(VERDICTS.length, this.#crew, (crew) => crew.lane.verdicts);
  }

  verdictsOf(port: number): Float64Array {
    return this.#portVerdicts.subarray(port * VERDICTS.length, (port + 1) * VERDICTS.length);
  }

  /** By lane.ts's ABSORBED, RING_FULL and KERNEL_DROPS. */
  tallies(): number[] {
    return sumOf(TALLIES, this.#crew, (crew) => crew.lane.tallies);
  }

  /** How long ago each worker's last turn began, or its start, in nanoseconds. Every worker turns twice a second at least. */
  turnAgesNs(): number[] {
    const nowNs = systemClock.nowNs();
    return this.#crew.map(({ lane }) => Math.max(0, nowNs - (lane.turnedNs[0] || this.#startedNs)));
  }

  async stop(): Promise<void> {
    for (const crew of this.#crew) {
      crew.lane.stop();
      signalEvent(crew.wakeFd);
    }
    for (const { commands } of this.#crew) commands.ref();
    // A worker's last words are the descriptors that it leaves to be closed.
    const silent = this.#crew.map(({ commands }) => once(commands, 'close'));
    await this.ended.catch(() => {});
    await Promise.all(silent);
    // Not before: whoever opens something next gets the number, and a wake-up must not go there.
    for (const { wakeFd } of this.#crew) close(wakeFd);
    await this.#pool.destroy();
    await this.#supply.closed();
  }

  async #meet(crew: Crew, { rings, discarded }: RingNeeds): Promise<void> {
    this.#supply.close(discarded);
    let failed = rings;
    for await (const made of this.#supply.make(rings)) {
      failed -= made.length;
      if (crew.lane.stopped) this.#supply.close(made.flatMap(descriptorsOf));
      else this.#command(crew, { do: 'supply', rings: made, failed: 0 });
    }
    if (failed > 0 && !crew.lane.stopped) this.#command(crew, { do: 'supply', rings: [], failed });
  }

  #crewOf(port: number): Crew {
    return must(this.#crew[port % this.#crew.length], 'there is at least one worker');
  }

  #command(crew: Crew, command: WorkerCommand): void {
    crew.commands.postMessage(command);
    crew.lane.commandSent();
    signalEvent(crew.wakeFd);
  }

  #forgetVerdicts(port: number): void {
    this.verdictsOf(port).fill(0);
  }
}

function sumOf(length: number, crews: readonly Crew[], of: (crew: Crew) => Float64Array): number[] {
  return Array.from({ length }, (_, i) => crews.reduce((sum, crew) => sum + (of(crew)[i] ?? 0), 0));
}
