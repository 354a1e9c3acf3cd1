/**
 * The cold half, whole: the main thread's wiring. Nothing here stands in the forwarding path; what was programmed outlives it.
 *
 *     workers ══ lanes ══> drain ──> ledger ──> effects ─┬─> reconciler ──> virtual switch     (few commits per turn)
 *                                      ^                 ├─> neighbours of the host's gateways
 *                 clock, timers ───────┘                 ├─> holders, for the workers
 *                                      └── acknowledged ─┴─> events, metrics, log
 *
 * Claims that arrive together become few transactions (turns.ts). Start, reload, fault and drift all end in reconciler.flush().
 *
 * Around it: turns.ts (when, and how much at a time), acts.ts (what follows from a decision), gather.ts, health.ts, reload.ts; outbox.ts
 * tells people, probing.ts asks whether traffic flows, sharing.ts agrees with other hosts, rehearsal.ts runs the path of a claim before the first one comes,
 * supervised.ts speaks with systemd.
 */
import type { Clock } from '../base/clock.ts';
import { interfaceAt } from '../base/elsewhere.ts';
import type { Network } from '../base/network.ts';
import type { Config } from '../config/config.ts';
import { Deployment } from '../worker/deployment.ts';
import { Inbox } from '../lane/inbox.ts';
import type { Claim, ClaimSource, LinkChange } from '../lane/claim.ts';
import { Ledger } from '../ledger/ledger.ts';
import { type Log, OnceLog } from '../base/log.ts';
import type { Policy } from '../filter/policy.ts';
import { Acts } from './acts.ts';
import { Health } from './health.ts';
import { Injector } from './injector.ts';
import { Outbox } from './outbox.ts';
import { Owning } from './owning.ts';
import { plan } from '../config/plan.ts';
import { Probing } from './probing.ts';
import { Programming } from '../vswitch/programming.ts';
import { Reconciler } from '../vswitch/reconciler.ts';
import type { Observations } from './timings.ts';
import { Turns } from './turns.ts';
import { Upkeep } from './upkeep.ts';
import { Vigil } from './vigil.ts';
import type { Sharing } from './sharing.ts';
import type { Entry, VSwitch } from '../vswitch/vswitch.ts';
import type { Ways } from '../vswitch/ways.ts';
import type { Workers } from '../worker/crew.ts';

export interface AgentOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly vswitch: VSwitch;
  /** What it holds at start. */
  readonly found: readonly Entry[];
  /** Where claims come from; null for an agent that is fed by hand. */
  readonly workers: Workers | null;
  readonly sources?: readonly ClaimSource[];
  readonly observe?: Partial<Observations>;
  /** Called when another configuration is taken. */
  readonly onConfig?: (config: Config) => void;
  /** Called when there is rest after many changes. */
  readonly onRest?: () => void;
  /** Other hosts, through a store; without one nothing of it is loaded. */
  readonly share?: (parts: { ledger: Ledger; network: Network; ways: Ways; onDecided: () => void }) => Sharing;
}

export class Agent {
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly reconciler: Reconciler;
  readonly vswitch: VSwitch;
  readonly workers: Workers | null;
  readonly health: Health;
  readonly upkeep: Upkeep;
  readonly probing = new Probing();
  /** What people are told: events, failovers, refusals. */
  readonly outbox: Outbox;
  /** null: there is no store in the configuration. */
  readonly sharing: Sharing | null;
  config: Config;
  network: Network;
  reload: { successful: boolean; succeededAtMs: number };
  /** Keys of the file whose values are not those that run. */
  waitsForRestart: readonly string[] = [];
  /** Files beside the configuration that are left out for their mistakes. */
  refusedFiles: readonly string[] = [];
  /** What of the store's configuration is left out, and why. */
  leftOut: readonly string[] = [];
  readonly #observe: Partial<Observations>;
  readonly #onConfig: (config: Config) => void;
  readonly #turns: Turns;
  readonly #owning: Owning;
  readonly #deployment: Deployment;
  readonly #programming: Programming;
  readonly #acts: Acts;
  #holdersMayGo = false;

  /** Adopts what the switch holds, and puts the guard in place. */
  constructor(options: AgentOptions) {
    const { config, clock, log, vswitch, found, workers } = options;
    this.config = config;
    this.clock = clock;
    this.log = log;
    this.vswitch = vswitch;
    this.workers = workers;
    this.#observe = options.observe ?? {};
    this.#onConfig = options.onConfig ?? (() => {});
    this.#deployment = new Deployment(workers);
    const once = new OnceLog(log);
    const onFailover = (phasesMs: Readonly<Record<string, number>>) => this.#observe.failover?.(phasesMs);
    const injector = workers === null ? null : new Injector();
    this.outbox = new Outbox({ log, once, clock, probing: this.probing, injector, onFailover });
    this.reload = { successful: true, succeededAtMs: clock.wallMs() };
    this.network = plan(config);
    const look = injector === null ? {} : { look: injector };
    this.ledger = new Ledger({ network: this.network, host: config.host.id, ...look });
    const inbox = new Inbox(options.sources ?? workers?.readers ?? []);
    this.#turns = new Turns({ clock, ledger: this.ledger, inbox, onRest: options.onRest ?? (() => {}) }, this.#work());
    this.reconciler = new Reconciler({
      vswitch,
      clock,
      log: { warn: (message) => log.warn({}, message), info: (message) => log.info({}, message) },
      onCommit: (durationNs) => {
        this.#turns.committed(clock.nowNs() - durationNs);
        this.#observe.programming?.(durationNs / 1e9);
      },
      onAnswer: (atNs) => this.#answered(atNs),
    });
    this.#programming = new Programming(this.reconciler, once, { host: config.host.id, hasStore: config.store !== null });
    this.health = new Health(this);
    const { ledger, network, reconciler, health } = this;
    this.sharing = options.share?.({ ledger, network, ways: this.#programming.ways, onDecided: () => this.#decided() }) ?? null;
    this.reconciler.configure(this.network, config.mode);
    this.#owning = new Owning(this.ledger, this.reconciler, this.#deployment);
    const acting = { programming: this.#programming, deployment: this.#deployment, owning: this.#owning };
    this.#acts = new Acts(this, { ...acting, observe: this.#observe });
    const parts = { clock, log, vswitch, ledger, reconciler, health, owning: this.#owning, ways: this.#programming.ways };
    this.upkeep = new Upkeep({ ...parts, ...this.#repairs() }, this.network, config);
    this.#adopt(found);
    this.reconciler.flush();
    this.#deploy();
    this.#acts.act();
  }

  /** Starts to take what the sources bring, until stop(). */
  run(): void {
    this.sharing?.start();
    this.upkeep.run();
    this.#turns.run();
  }

  /** Takes what is waiting, as much as a turn allows, and does what follows from it. */
  turn(): void {
    this.#turns.turn();
  }

  /** A new configuration: the guard first, then the workers' policy. The difference alone is touched. */
  reconfigure(config: Config, waitsForRestart: readonly string[] = []): void {
    this.log.setLevel(config.log.level);
    this.#follow(config);
    this.waitsForRestart = waitsForRestart;
    this.reload = { successful: true, succeededAtMs: this.clock.wallMs() };
    this.#turns.setAlarm();
  }

  #follow(config: Config): void {
    const network = this.#programming.ways.joined(plan(config, this.network, this.config));
    this.config = config;
    this.network = network;
    this.ledger.configure(network, this.clock.nowNs(), this.clock.wallMs());
    this.reconciler.configure(network, config.mode);
    this.upkeep.configure(network, config);
    this.sharing?.configure(network);
    this.#onConfig(config);
    this.#acts.act();
    this.reconciler.flush();
    this.#deploy();
  }

  /** What workers judge by; null: nothing is deployed yet. */
  get policy(): Policy | null {
    return this.#deployment.policy;
  }

  refuseReload(): void {
    this.reload = { ...this.reload, successful: false };
  }

  /** What the ledger is told outside of turns, and what follows from that. */
  say<T>(tell: (ledger: Ledger) => T): T {
    const said = tell(this.ledger);
    this.#acts.act();
    this.#turns.setAlarm();
    return said;
  }

  /** Leaves the switch as it is: traffic and guard outlive the agent. */
  async stop(): Promise<void> {
    this.upkeep.stop();
    this.#turns.stop();
    this.#acts.tellPeople();
    this.reconciler.close();
    await this.sharing?.stop();
    await this.workers?.stop();
    this.probing.close();
    this.outbox.close();
    this.#programming.close();
    this.vswitch.close();
  }

  #work() {
    return {
      take: (claim: Claim) => this.#take(claim),
      link: (change: LinkChange) => this.#link(change),
      decide: () => this.#acts.decide(),
      tell: () => this.#acts.tell(),
      letHoldersGo: () => this.#letHoldersGo(),
      retryNs: () => this.reconciler.nextRetryNs,
    };
  }

  #adopt(found: readonly Entry[]): void {
    const [nowNs, wallMs] = [this.clock.nowNs(), this.clock.wallMs()];
    const wasSilent = Vigil.wasSilent(found);
    const adopted = this.reconciler.adopt(found);
    this.#programming.adopt(found, this.network);
    for (const [havip, binding] of adopted)
      if (!this.ledger.adopt(havip, binding, nowNs, wallMs, wasSilent)) this.reconciler.hold(havip, null);
    this.#owning.adopt(nowNs);
    this.upkeep.vigil.begin(adopted.keys(), wasSilent);
  }

  #deploy(): void {
    this.#deployment.deploy(this.network, (havip) => this.ledger.bindingOf(havip));
    this.#owning.tellAll();
    this.#programming.configure(this.network);
    this.probing.configure(this.network);
  }

  #take(claim: Claim): void {
    if (claim.kind === 'refused') this.outbox.refused(claim, this.network);
    this.ledger.take(claim, this.clock.nowNs(), this.clock.wallMs());
  }

  #link(change: LinkChange): void {
    const name = interfaceAt(this.network, change.port);
    if (name === null) return;
    const before = this.ledger.linkState(change.port) ?? 'absent';
    if (change.state !== 'absent' && before === 'absent') this.reconciler.interfaceAppeared(name);
    this.reconciler.interfaceChanged(name);
    this.log.debug({ interface: name, state: change.state }, 'link changed');
    this.ledger.link(change, this.clock.wallMs());
    this.sharing?.linked(change);
  }

  /** Another host has, through the store. */
  #decided(): void {
    this.#acts.act();
    this.#turns.setAlarm();
  }

  /** The switch has answered, later than in the turn that asked; and what waited for that goes now. */
  #answered(atNs: number): void {
    this.#acts.answered(atNs);
    this.#letHoldersGo();
    this.#turns.setAlarm();
  }

  #repairs() {
    return {
      // A repair may have done what a claim waits for; one that failed is to be tried again.
      onRepair: () => this.#answered(this.clock.nowNs()),
      onWant: () => this.#acts.program(),
      onMachines: () => this.#follow(this.config),
    };
  }

  /** Deletes of holders wait until the workers have told the state of every port. */
  #letHoldersGo(): void {
    if (this.#holdersMayGo || this.health.unfollowed() > 0) return;
    this.#holdersMayGo = true;
    this.reconciler.letHoldersGo();
    this.reconciler.flush();
  }
}
