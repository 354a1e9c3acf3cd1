/**
 * Has a worker's hot half judge made-up frames before it listens to anybody: announcements of HAVIPs, refreshes and spoofs, through
 * the pump itself into a lane that nobody reads. Run by the worker, once, at start; the counterpart of agent/rehearsal.ts.
 *
 * A guest's first claim may be the one that matters, and it may come days after the start: without this it runs code that V8 has not
 * compiled yet. First claim after a start, seen by a witness: 1.9 ms without, 1.6 ms with it (medians of three times 7 starts).
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Network } from '../base/network.ts';
import type { FrameSink, FrameSource } from '../capture/source.ts';
import { Held } from '../filter/held.ts';
import { compilePolicy } from '../filter/compile.ts';
import { Lane, newPortVerdicts } from '../lane/lane.ts';
import type { WorkerCommand } from '../lane/commands.ts';

type Pump = (
  task: { readonly portVerdicts: SharedArrayBuffer; readonly commands: MessagePort },
  lane: Lane,
  source: FrameSource,
) => void;

/** V8 optimises what ran some thousand times. Fewer turns than a pump may make without a rest (worker/pace.ts). */
const TURNS = 100;
const HAVIPS = 64;
const FRAME_BYTES = 42;
/** RFC 5737's documentation network. */
const FIRST_ADDRESS = 0xc000_0200;
const MACS = [0x0200_c000_0201, 0x0200_c000_0202] as const;

export function rehearse(pump: Pump): void {
  const network = madeUp();
  const lane = new Lane();
  const { port1, port2 } = new MessageChannel();
  const policy = compilePolicy(network, 1).words.buffer;
  const held = new Held({ havips: HAVIPS, vpcs: 1 });
  held.ports.fill(0); // so that half of the announcements are refreshes
  const command: WorkerCommand = { do: 'policy', policy, held: held.memory, elsewhere: null };
  port1.postMessage(command);
  lane.commandSent();
  pump({ portVerdicts: newPortVerdicts().buffer, commands: port2 }, lane, new MadeUpFrames(lane));
  port1.close();
}

function madeUp(): Network {
  const cidr = { base: FIRST_ADDRESS, bits: 24 };
  const place = { vpc: 0, subnet: 0 };
  const rest = { members: null, fence: true, vrid: null, assist: null, verify: false, probe: false };
  return {
    vpcs: [{ index: 0, id: 'rehearsal', cidr }],
    subnets: [{ index: 0, id: 'rehearsal', vpc: 0, cidr, gateway: null, sources: 'checked', ipv6: null }],
    havips: Array.from({ length: HAVIPS }, (_, index) => ({
      index,
      id: `rehearsal-${index}`,
      address: FIRST_ADDRESS + 100 + index,
      ...place,
      ...rest,
    })),
    ports: MACS.map((mac, index) => ({
      index,
      interface: `rehearsal-${index}`,
      instance: `rehearsal-${index}`,
      mac,
      addresses: [FIRST_ADDRESS + 1 + index],
      addresses6: [],
      router: false,
      ...place,
    })),
    uplinks: [],
    peers: [],
  };
}

/** Each turn: every HAVIP announced by one of the two ports, and as many addresses that are nobody's. Stops the pump after the last. */
class MadeUpFrames implements FrameSource {
  readonly #lane: Lane;
  readonly #frame = announcement();
  readonly #view = new DataView(this.#frame.buffer);
  #turns = 0;

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  attach(): void {}
  detach(): void {}
  wait(): void {}
  close(): void {}

  drops(): number {
    return 0;
  }

  policed(): number {
    return 0;
  }

  drain(onFrame: FrameSink): number {
    const port = this.#turns & 1;
    for (let i = 0; i < HAVIPS; i++) {
      this.#say(onFrame, port, FIRST_ADDRESS + 100 + i);
      this.#say(onFrame, port, FIRST_ADDRESS + 200);
    }
    for (const ring of [this.#lane.urgent, this.#lane.routine]) while (ring.peek() >= 0) ring.giveBack();
    if (++this.#turns === TURNS) this.#lane.stop();
    return 2 * HAVIPS;
  }

  #say(onFrame: FrameSink, port: number, address: number): void {
    const mac = MACS[port & 1]!;
    for (const at of [6, 22]) {
      this.#view.setUint16(at, Math.floor(mac / 2 ** 32));
      this.#view.setUint32(at + 2, mac % 2 ** 32);
    }
    this.#view.setUint32(28, address);
    this.#view.setUint32(38, address);
    // An hour a turn: the budget of repetitions (lane/budget.ts) is for guests.
    onFrame(this.#frame, 0, FRAME_BYTES, FRAME_BYTES, port, 0, this.#turns * 3600, 0);
  }
}

/** A gratuitous ARP request without its sender (RFC 826). */
function announcement(): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_BYTES).fill(0xff, 0, 6);
  frame.set([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1], 12);
  return frame;
}
