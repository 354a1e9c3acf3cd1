/** One policy as the judge and as the kernel's guard, side by side: the same frame through both. Needs root, in a namespace of its own. */
import { expect } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { ManualClock } from '../../src/base/clock.ts';
import type { Network } from '../../src/base/network.ts';
import { type VerdictRow, VERDICTS } from '../../src/base/verdict.ts';
import { Sighting } from '../../src/decode/sighting.ts';
import { Held } from '../../src/filter/held.ts';
import { judge } from '../../src/filter/judge.ts';
import { compilePolicy } from '../../src/filter/compile.ts';
import type { Policy } from '../../src/filter/policy.ts';
import type { Mode } from '../../src/vswitch/entries.ts';
import { NftablesSwitch } from '../../src/vswitch/nftables/nftables.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import { SwitchLab } from './switch-lab.ts';
import { KeptLog } from './values.ts';

export interface Guarded {
  readonly vswitch: NftablesSwitch;
  readonly reconciler: Reconciler;
}

/** A switch that has a network's guard, and lets go of nothing by itself. */
export function guarded(network: Network, mode: Mode = 'enforce'): Guarded {
  const vswitch = new NftablesSwitch('havip');
  const reconciler = new Reconciler({ vswitch, clock: new ManualClock(), log: new KeptLog() });
  reconciler.letHoldersGo();
  reconciler.want((desired) => desired.keepAlive(0));
  reconciler.configure(network, mode);
  expect(reconciler.flush()).toMatchObject({ error: null });
  return { vswitch, reconciler };
}

/** As a frame that all who may hear it do. */
export function toEverybody(original: Uint8Array): Uint8Array {
  const frame = Uint8Array.from(original);
  frame.fill(0xff, 0, 6);
  return frame;
}

export class TwoRenderings implements Guarded {
  readonly network: Network;
  readonly lab: SwitchLab;
  readonly vswitch: NftablesSwitch;
  readonly reconciler: Reconciler;
  readonly #policy: Policy;
  readonly #sighting = new Sighting();

  private constructor(network: Network, lab: SwitchLab, held: Held | null) {
    this.network = network;
    this.lab = lab;
    this.#policy = held === null ? compilePolicy(network) : compilePolicy(network).seeing(held);
    const { vswitch, reconciler } = guarded(network);
    this.vswitch = vswitch;
    this.reconciler = reconciler;
  }

  /** @param held what the judge knows of it; the switch is told by who asks */
  static async of(network: Network, held: Held | null = null): Promise<TwoRenderings> {
    const lab = new SwitchLab(network);
    await lab.forwarding();
    return new TwoRenderings(network, lab, held);
  }

  /** The judge's. */
  verdict(frame: Uint8Array, port: number): VerdictRow {
    return must(VERDICTS[judge(this.#policy, frame, 0, frame.length, 0, port, this.#sighting)], 'verdict');
  }

  /** null when both say the same; else who says what of which frame. */
  async difference(original: Uint8Array, port: number): Promise<string | null> {
    const frame = toEverybody(original);
    const row = this.verdict(frame, port);
    const name = must(this.network.ports[port], 'port').interface;
    const heard = await this.lab.send(name, frame);
    if (heard.length === (mayPass(row) ? 1 : 0)) return null;
    return `${row.name} on ${name}, but ${heard.length} arrived: ${Buffer.from(frame).toString('hex')}`;
  }

  close(): void {
    this.vswitch.cleanup();
    this.vswitch.close();
    this.lab.close();
  }
}

/** By the guard, which cannot read all that the judge does. */
export function mayPass({ pass, by }: VerdictRow): boolean {
  return pass || by === 'agent';
}
