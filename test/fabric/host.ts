/**
 * One host of a simulated world: the real ledger, reconciler and sharing of the agent, a memory switch that keeps what was programmed when
 * the agent dies, and the model store's driver. Clocks of hosts agree in nothing.
 */
import { Sharing } from '../../src/agent/sharing.ts';
import type { Clock } from '../../src/base/clock.ts';

import { V } from '../../src/base/verdict.ts';
import type { Fabric } from '../../src/fabric/fabric.ts';
import { MemoryFabric } from '../../src/fabric/memory/memory.ts';
import { NO_FAULTS, Wire, type Faults } from '../../src/fabric/memory/wire.ts';
import type { ClaimKind, LinkChange, VrrpFacts } from '../../src/lane/claim.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { MemorySwitch } from '../../src/vswitch/memory/memory.ts';
import { Reconciler } from '../../src/vswitch/reconciler.ts';
import type { Log } from '../../src/base/log.ts';
import { MAX_PORTS } from '../../src/base/network.ts';
import { networkFor, UPLINK } from './network.ts';
import type { Programmed, SimulatedHost, Stage } from './stage.ts';

const GRACE_MS = 3000;
/** No frame is looked at: an announcement. */
const NO_FRAME = new Uint8Array(0);
const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, setLevel: () => {} };

export class SimHost implements SimulatedHost {
  readonly id: string;
  readonly faults: Faults = { ...NO_FAULTS };
  readonly offsetNs: number;
  readonly skewMs: number;
  readonly vswitch = new MemorySwitch();
  readonly disagreesSinceNs = new Map<string, number>();
  readonly #stage: Stage;
  readonly #clock: Clock;
  sharing: Sharing | null = null;
  ledger: Ledger | null = null;
  fabric: Fabric | null = null;
  /** Driver below a wrapper, for faults. */
  memory: MemoryFabric | null = null;
  disturbedNs = 0;
  #reconciler: Reconciler | null = null;
  #boots = 0;
  #seenCommits = -1;
  #seen = new Map<string, Programmed>();
  #alarmNs = Number.POSITIVE_INFINITY;

  constructor(stage: Stage, id: string, offsetNs: number, skewMs: number) {
    this.#stage = stage;
    this.id = id;
    this.offsetNs = offsetNs;
    this.skewMs = skewMs;
    this.#clock = {
      nowNs: () => stage.time.nowNs() + offsetNs,
      wallMs: () => 1_700_000_000_000 + stage.time.nowNs() / 1e6 + skewMs,
    };
  }

  get isFaulty(): boolean {
    const { cutThere, cutBack, answersLost, delayMs } = this.faults;
    return cutThere || cutBack || answersLost > 0 || delayMs !== NO_FAULTS.delayMs;
  }

  get isUp(): boolean {
    return this.sharing !== null;
  }

  get pending(): number {
    return this.sharing?.status.pending ?? 0;
  }

  start(): void {
    const { time, random, store, variant, check } = this.#stage;
    const memory = new MemoryFabric({
      host: this.id,
      store,
      wire: new Wire(time, random, this.faults),
      ...(variant.cursor && { cursor: variant.cursor }),
    });
    const fabric = variant.wrap?.(memory, this.#stage) ?? memory;
    const before = this.vswitch.list().length;
    const network = networkFor(this.#stage, this.id);
    const ledger = new Ledger({ network, host: this.id, limits: { graceMs: GRACE_MS } });
    const reconciler = new Reconciler({ vswitch: this.vswitch, clock: this.#clock, log: { warn: () => {}, info: () => {} } });
    const record = { vtep: null, version: 'simulated', startedMs: this.#clock.wallMs(), bootId: `${++this.#boots}` };
    const sharing = new Sharing(
      {
        fabric: checked(fabric, (batch) => check.proposed(batch)),
        clock: this.#clock,
        log: SILENT,
        ledger,
        host: this.id,
        vtep: null,
        record,
        random,
        later: (ms, act) => this.#later(ms, act),
        onDecided: () => this.#act(),
        ...(variant.newer && { isNewer: variant.newer }),
      },
      network,
    );
    Object.assign(this, { memory, fabric, ledger, sharing });
    this.#reconciler = reconciler;
    reconciler.configure(network, 'enforce');
    for (const [havip, binding] of reconciler.adopt(this.vswitch.list())) {
      if (variant.adoptsRemote === false && binding.port === null) reconciler.hold(havip, null);
      else ledger.adopt(havip, binding, this.#clock.nowNs(), this.#clock.wallMs());
    }
    reconciler.letHoldersGo();
    reconciler.flush();
    if (before > 0) check.restarted(this);
    sharing.start();
    this.#act();
  }

  crash(): void {
    void this.sharing?.stop();
    Object.assign(this, { memory: null, fabric: null, ledger: null, sharing: null });
    this.#reconciler = null;
    this.#alarmNs = Number.POSITIVE_INFINITY;
  }

  /** A guest came or went: the configuration is read again. */
  reconfigure(): void {
    if (this.ledger === null || this.sharing === null || this.#reconciler === null) return;
    const network = networkFor(this.#stage, this.id);
    this.ledger.configure(network, this.#clock.nowNs(), this.#clock.wallMs());
    this.#reconciler.configure(network, 'enforce');
    this.sharing.configure(network);
    this.#act();
  }

  /** What a guest sends for these HAVIPs, captured in one batch: at its port here, or at the uplink. */
  hear(guest: number, havips: readonly number[], kind: ClaimKind, vrrp: VrrpFacts | null, beyond = false): void {
    if (this.ledger === null) return;
    const capturedNs = this.#clock.nowNs();
    const { mac } = this.#stage.guests[guest]!;
    const port = beyond ? MAX_PORTS : guest;
    for (const havip of havips) {
      const verdict = V['havip-claim'];
      this.ledger.take({ kind, verdict, port, havip, mac, capturedNs, vrrp, frame: NO_FRAME }, capturedNs, this.#clock.wallMs());
    }
    this.#act();
  }

  link(guest: number, state: LinkChange['state']): void {
    this.ledger?.link(
      { port: guest, state, ifindex: state === 'absent' ? 0 : 5, atNs: this.#clock.nowNs() },
      this.#clock.wallMs(),
    );
    if (this.ledger !== null) this.#act();
  }

  letsGo(havip: number): boolean {
    return this.ledger?.view(havip)?.letGo === true;
  }

  programmed(havip: number): Programmed | null {
    if (this.#seenCommits !== this.vswitch.commits) {
      this.#seenCommits = this.vswitch.commits;
      this.#seen = new Map();
      for (const { kind, key, value } of this.vswitch.list()) {
        const [name = '', mac = ''] = value.split(' ');
        if (kind === 'holder') this.#seen.set(key.slice(key.lastIndexOf(' ') + 1), { isHere: name !== UPLINK, mac });
      }
    }
    return this.#seen.get(`10.0.0.${100 + havip}`) ?? null;
  }

  revision(havip: number): number {
    return this.sharing?.view({ vpc: 0, id: `havip-${havip}` })?.revision ?? 0;
  }

  epoch(havip: number): number {
    return this.ledger?.view(havip)?.epoch ?? 0;
  }

  #act(): void {
    const { ledger, sharing } = this;
    const reconciler = this.#reconciler;
    if (ledger === null || sharing === null || reconciler === null) return;
    for (let effects = ledger.drain(); effects.length > 0; effects = ledger.drain()) {
      const binds = effects.flatMap((effect) => (effect.kind === 'bind' ? [effect] : []));
      for (const { havip, binding } of binds) {
        reconciler.hold(havip, binding);
        sharing.bound(havip, binding);
      }
      const { ackedNs } = reconciler.flush();
      for (const { havip, epoch } of binds) {
        ledger.programmed(havip, epoch, ackedNs);
        sharing.programmed(havip, ackedNs);
      }
      for (const effect of effects) if (effect.kind === 'propose') sharing.propose(effect);
    }
    reconciler.flush();
    sharing.flush();
    this.#setAlarm(ledger);
  }

  #setAlarm(ledger: Ledger): void {
    const dueNs = ledger.nextDeadlineNs();
    if (dueNs >= this.#alarmNs) return;
    this.#alarmNs = dueNs;
    this.#stage.time.after(Math.max(0, (dueNs - this.#clock.nowNs()) / 1e6), () => {
      if (this.ledger !== ledger) return;
      this.#alarmNs = Number.POSITIVE_INFINITY;
      ledger.tick(this.#clock.nowNs(), this.#clock.wallMs());
      this.#act();
    });
  }

  #later(ms: number, act: () => void): () => void {
    let wanted = true;
    this.#stage.time.after(ms, () => {
      if (wanted) act();
    });
    return () => {
      wanted = false;
    };
  }
}

/** The fabric, with each proposal shown on its way. */
function checked(fabric: Fabric, proposed: (batch: Parameters<Fabric['propose']>[0]) => void): Fabric {
  return new Proxy(fabric, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      if (name !== 'propose') return value.bind(target) as unknown;
      return (batch: Parameters<Fabric['propose']>[0]) => {
        proposed(batch);
        target.propose(batch);
      };
    },
  });
}
