/**
 * What the agent does by the clock, or when the switch rings, beside claims: it shows that it lives, puts right what somebody else changed
 * in the switch, and looks at what nobody tells it. Main thread.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Network } from '../base/network.ts';
import type { Config } from '../config/config.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PortFinding } from '../ledger/port-findings.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import type { VSwitch } from '../vswitch/vswitch.ts';
import type { Ways } from '../vswitch/ways.ts';
import { Bypasses } from './bypasses.ts';
import type { Health } from './health.ts';
import { KernelRefusals } from './kernel-refusals.ts';
import { Outside } from './outside.ts';
import type { Owning } from './owning.ts';
import { Strangers } from './strangers.ts';
import { Vigil } from './vigil.ts';

const BEAT_MS = 250;

export interface UpkeepParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly vswitch: VSwitch;
  readonly ledger: Ledger;
  readonly reconciler: Reconciler;
  readonly health: Health;
  readonly owning: Owning;
  /** The switch was put right, or could not be. */
  readonly onRepair: () => void;
  /** Something is wanted of the switch. */
  readonly onWant: () => void;
  readonly ways: Ways;
  /** Other hosts have other machines. */
  readonly onMachines: () => void;
}

export class Upkeep {
  readonly vigil: Vigil;
  readonly strangers: Strangers;
  readonly bypasses: Bypasses;
  readonly outside: Outside | null;
  readonly #refusals: KernelRefusals;
  readonly #of: UpkeepParts;
  #network: Network;
  #beat: NodeJS.Timeout | null = null;

  constructor(parts: UpkeepParts, network: Network, { failsafeSeconds, strangers, vswitch: { driver } }: Config) {
    const { clock, log, vswitch, ledger, reconciler, onWant } = parts;
    this.#of = parts;
    this.#network = network;
    this.vigil = new Vigil(clock, ledger, reconciler, failsafeSeconds);
    this.strangers = new Strangers(vswitch, reconciler, log);
    this.bypasses = new Bypasses(vswitch, log);
    this.#refusals = new KernelRefusals(vswitch, ledger, clock);
    this.strangers.configure(network, strangers);
    this.bypasses.configure(network);
    const bindingOf = (havip: number) => ledger.bindingOf(havip);
    // Another than the real one has nobody outside.
    this.outside = driver !== 'memory' ? new Outside({ clock, log, reconciler, bindingOf, onWant }, network) : null;
  }

  configure(network: Network, { failsafeSeconds, strangers }: Config): void {
    this.#network = network;
    this.outside?.configure(network);
    this.vigil.configure(failsafeSeconds);
    this.strangers.configure(network, strangers);
    this.bypasses.configure(network);
  }

  run(): void {
    this.#beat = setInterval(() => this.#onBeat(), BEAT_MS);
    this.outside?.run();
    this.#of.vswitch.watch?.(() => this.#onRing());
  }

  stop(): void {
    if (this.#beat !== null) clearInterval(this.#beat);
    this.outside?.stop();
  }

  findings(): PortFinding[] {
    return [...this.#refusals.findings(this.#network), ...this.strangers.findings(), ...this.bypasses.findings()];
  }

  get notes(): string[] {
    const notes = [this.bypasses.note, this.strangers.note].filter((note) => note !== null);
    return [...notes, ...(this.outside?.notes ?? [])];
  }

  #onBeat(): void {
    this.#of.health.beat();
    this.#onRing();
    this.vigil.beat();
    this.#refusals.poll(this.#network);
    if (this.#of.owning.tell()) this.#of.onWant();
    if (this.#of.ways.settled()) this.#of.onMachines();
  }

  #onRing(): void {
    this.bypasses.look();
    if (this.strangers.look()) this.#of.onWant();
    if (!this.#of.vswitch.changed()) return;
    this.#of.reconciler.resync();
    this.#of.onRepair();
  }
}
