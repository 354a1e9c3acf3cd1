/**
 * The cold half, whole: the main thread's wiring. Nothing here stands in the forwarding path; what was programmed outlives it.
 *
 *     workers ══ lanes ══> drain ──> ledger ──> effects ─┬─> reconciler ──> virtual switch     (few commits per turn)
 *                                      ^                 ├─> neighbours of the host's gateways
 *                 clock, timers ───────┘                 ├─> holders, for the workers
 *                                      └── acknowledged ─┴─> events, metrics, log
 *
 * A turn takes what is waiting, up to a bound (inbox.ts), so that claims which arrive together become one transaction; what arrives
 * during a commit goes before the telling of it. Start, reload, fault and drift
 * all end in reconciler.flush().
 */
import { Injector } from './abi/injector.ts';
import type { Clock } from './base/clock.ts';
import type { Network } from './base/network.ts';
import { reasonOf } from './base/verdict.ts';
import type { Config } from './config.ts';
import { compilePolicy, type Policy, recompilePolicy } from './filter/policy.ts';
import { Inbox } from './inbox.ts';
import type { Claim, ClaimSource, LinkChange } from './lane/claim.ts';
import { Holders } from './lane/holders.ts';
import type { Effect, LedgerEvent } from './ledger/effects.ts';
import { Ledger } from './ledger/ledger.ts';
import { arpQuestion } from './ledger/verify.ts';
import { type Log, OnceLog, RateLimit } from './log.ts';
import { plan } from './plan.ts';
import type { Prober } from './probe.ts';
import { GatewayNeighbours } from './vswitch/neighbour.ts';
import { Reconciler } from './vswitch/reconciler.ts';
import type { VSwitch } from './vswitch/vswitch.ts';
import type { Workers } from './workers.ts';

export interface AgentOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly vswitch: VSwitch;
  /** Where claims come from; null for an agent that is fed by hand. */
  readonly workers: Workers | null;
  readonly sources?: readonly ClaimSource[];
  readonly observe?: Partial<Observations>;
}

/** What histograms are made of. */
export interface Observations {
  failover(phasesMs: Readonly<Record<string, number>>): void;
  claimToProgrammed(seconds: number): void;
  programming(seconds: number): void;
}

const EVENTS_KEPT = 1000;
const DRIFT_CHECK_MS = 250;
/**
 * A turn ends after so many changes or so long, and the rest comes in the next: each change is a line in the log or two, and others
 * (health, metrics, timers) wait meanwhile. A whole sync group still becomes one transaction.
 */
const CHANGES_PER_TURN = 64;
const TURN_MS = 4;

interface Unprogrammed {
  readonly epoch: number;
  readonly capturedNs: number | null;
}

export class Agent {
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly reconciler: Reconciler;
  readonly vswitch: VSwitch;
  readonly workers: Workers | null;
  /** The last ones, oldest first. */
  readonly events: (LedgerEvent & { readonly seq: number })[] = [];
  readonly links = new Map<number, LinkChange>();
  config: Config;
  network: Network;
  reload: { successful: boolean; succeededAtMs: number };
  /** When the main loop last turned, for its health. */
  lastBeatNs: number;
  #holders = new Holders(0);
  #policyEpoch = 0;
  /** What the workers judge by, and the network it was compiled from. */
  #deployed: { readonly policy: Policy; readonly network: Network } | null = null;
  readonly #observe: Partial<Observations>;
  readonly #inbox: Inbox;
  readonly #neighbours: GatewayNeighbours;
  readonly #injector: Injector | null;
  readonly #once: OnceLog;
  readonly #refusals: RateLimit;
  /** Bindings that the switch has not acknowledged yet, by HAVIP. */
  readonly #unprogrammed = new Map<number, Unprogrammed>();
  /** Effects that are no bindings, until the turn's commits are done. */
  readonly #untold: Effect[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #alarm: NodeJS.Timeout | null = null;
  #nextTurn: NodeJS.Immediate | null = null;
  #prober: Prober | null = null;
  #gatewayInterface: (gateway: number) => string | null = () => null;
  #eventCount = 0;
  #released = false;
  #stopped = false;

  /** Reads the switch, adopts what it finds there, and puts the guard in place. Throws VSwitchError when it cannot work here. */
  constructor(options: AgentOptions) {
    const { config, clock, log, vswitch, workers } = options;
    this.config = config;
    this.clock = clock;
    this.log = log;
    this.vswitch = vswitch;
    this.workers = workers;
    this.#observe = options.observe ?? {};
    this.#inbox = new Inbox(options.sources ?? workers?.readers ?? []);
    this.#once = new OnceLog(log);
    this.#refusals = new RateLimit(clock);
    this.#injector = workers === null ? null : new Injector();
    this.reload = { successful: true, succeededAtMs: clock.wallMs() };
    this.lastBeatNs = clock.nowNs();
    this.network = plan(config);
    this.ledger = new Ledger({ network: this.network, host: config.host.id });
    this.#neighbours = new GatewayNeighbours();
    this.reconciler = new Reconciler({
      vswitch,
      clock,
      log: { warn: (message) => log.warn({}, message), info: (message) => log.info({}, message) },
      onCommit: (durationNs) => this.#observe.programming?.(durationNs / 1e9),
    });
    this.reconciler.configure(this.network, config.mode);
    this.#adopt();
    this.reconciler.flush();
    this.#deploy();
    this.#act();
  }

  /** Starts to take what the sources bring, until stop(). */
  run(): void {
    for (const source of this.#inbox.sources) void this.#listen(source);
    this.#timers.push(setInterval(() => this.#checkDrift(), DRIFT_CHECK_MS));
    this.turn();
  }

  /** Takes what is waiting, as much as a turn allows, and does what follows from it. */
  turn(): void {
    const { claims } = this.ledger.counters;
    const changesMost = claims.takeover + CHANGES_PER_TURN;
    const untilNs = this.clock.nowNs() + TURN_MS * 1e6;
    const isOver = () => claims.takeover >= changesMost || this.clock.nowNs() > untilNs;
    // What came during a commit goes before the telling of that commit.
    do {
      this.#takeUntil(isOver);
      this.#decide();
      this.#inbox.fill();
    } while (this.#inbox.hasMore && !isOver());
    this.#tell();
    this.#settle();
    this.#setAlarm();
  }

  /** A new configuration: the guard first, then the workers' policy. The difference alone is touched. */
  reconfigure(config: Config): void {
    const network = plan(config, this.network, this.config);
    this.config = config;
    this.network = network;
    this.log.setLevel(config.log.level);
    this.ledger.configure(network, this.clock.nowNs(), this.clock.wallMs());
    this.reconciler.configure(network, config.mode);
    for (const port of this.links.keys()) if (!network.ports[port]) this.links.delete(port);
    this.#act();
    this.reconciler.flush();
    this.#deploy();
    this.reload = { successful: true, succeededAtMs: this.clock.wallMs() };
    this.#setAlarm();
  }

  refuseReload(): void {
    this.reload = { ...this.reload, successful: false };
  }

  /** @param gatewayInterface the interface of this host that has a gateway's address */
  setProber(prober: Prober, gatewayInterface: (gateway: number) => string | null): void {
    this.#prober = prober;
    this.#gatewayInterface = gatewayInterface;
    this.#configureProber();
  }

  /** The first echo reply came after a change. */
  reachable(havip: number, atNs: number): void {
    this.ledger.reachable(havip, atNs);
    this.#act();
  }

  *probes(): Iterable<{ readonly havip: string; readonly up: boolean; readonly rttSeconds: number | null }> {
    for (const { havip, up, rttSeconds } of this.#prober?.results() ?? []) {
      const id = this.network.havips[havip]?.id;
      if (id !== undefined) yield { havip: id, up, rttSeconds };
    }
  }

  /** null when every port is captured or waited for and the switch is in sync; else what is missing. */
  notReady(): string | null {
    if (this.workers !== null && !this.workers.settled) return 'workers are starting';
    const ports = this.network.ports.filter((port) => port !== null);
    const unseen = ports.filter((port) => !this.links.has(port.index)).length;
    if (this.workers !== null && unseen > 0) return `${unseen} of ${ports.length} ports are not followed yet`;
    if (this.reconciler.trouble !== null) return `virtual switch: ${this.reconciler.trouble}`;
    return this.reconciler.inSync ? null : 'virtual switch is not in sync yet';
  }

  /** Leaves the switch as it is: traffic and guard outlive the agent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    if (this.#nextTurn !== null) clearImmediate(this.#nextTurn);
    await this.workers?.stop();
    this.#prober?.close();
    this.#injector?.close();
    this.#neighbours.close();
    this.vswitch.close();
  }

  async #listen(source: ClaimSource): Promise<void> {
    while (!this.#stopped) {
      await source.wait();
      if (!this.#stopped) this.turn();
    }
  }

  #adopt(): void {
    const ports = new Map(this.network.ports.flatMap((port) => (port === null ? [] : [[port.interface, port] as const])));
    for (const [havip, holding] of this.reconciler.adopt()) {
      const port = ports.get(holding.interface);
      if (port !== undefined) this.ledger.adopt(havip, { port: port.index, ...holding }, this.clock.nowNs(), this.clock.wallMs());
    }
  }

  #deploy(): void {
    const holders = new Holders(this.network.havips.length);
    holders.ports.set(this.#holders.ports.subarray(0, holders.ports.length));
    for (const [havip, thing] of this.network.havips.entries()) holders.ports[havip] = thing ? this.ledger.holderPort(havip) : -1;
    this.#holders = holders;
    if (this.workers !== null) this.#deployTo(this.workers);
    this.#neighbours.configure(this.network);
    this.#configureProber();
  }

  #deployTo(workers: Workers): void {
    const { network } = this;
    const before = this.#deployed;
    const epoch = ++this.#policyEpoch;
    const policy =
      before === null ? compilePolicy(network, epoch) : recompilePolicy(before.policy, before.network, network, epoch);
    this.#deployed = { policy, network };
    workers.setPolicy(policy, this.#holders);
    workers.follow(network);
  }

  #configureProber(): void {
    this.#prober?.configure(this.network, (subnet) => {
      const gateway = this.network.subnets[subnet]?.gateway ?? null;
      return gateway === null ? null : this.#gatewayInterface(gateway);
    });
  }

  #take(claim: Claim): void {
    if (claim.kind === 'refused') this.#logRefusal(claim);
    this.ledger.take(claim, this.clock.nowNs(), this.clock.wallMs());
  }

  #link(change: LinkChange): void {
    const port = this.network.ports[change.port];
    if (!port) return;
    const before = this.links.get(change.port);
    if (change.state !== 'absent' && (before?.state ?? 'absent') === 'absent') this.reconciler.interfaceAppeared(port.interface);
    this.links.set(change.port, change);
    this.log.debug({ interface: port.interface, state: change.state }, 'link changed');
    this.ledger.link(change, this.clock.wallMs());
  }

  #takeUntil(isOver: () => boolean): void {
    this.#inbox.fill();
    for (let one = this.#inbox.next(); one !== null; one = isOver() ? null : this.#inbox.next()) {
      if ('kind' in one) this.#take(one);
      else this.#link(one);
    }
    this.ledger.tick(this.#inbox.doneUntilNs(this.clock.nowNs()), this.clock.wallMs());
  }

  #act(): void {
    this.#decide();
    this.#tell();
  }

  /** Programs what the ledger decided, until it has nothing more to say: an acknowledged commit makes it say more. */
  #decide(): void {
    for (let effects = this.ledger.drain(); effects.length > 0; effects = this.ledger.drain()) {
      for (const effect of effects) {
        if (effect.kind === 'bind') this.#apply(effect);
        else this.#untold.push(effect);
      }
      this.#program();
    }
    if (this.reconciler.nextRetryNs !== null && this.clock.nowNs() >= this.reconciler.nextRetryNs) this.#program();
  }

  /** People and probes can wait until the switch has it: a line of log costs as much as the commit. */
  #tell(): void {
    for (const effect of this.#untold.splice(0)) this.#apply(effect);
  }

  #apply(effect: Effect): void {
    switch (effect.kind) {
      case 'bind':
        this.reconciler.hold(effect.havip, effect.holding);
        this.#holders.ports[effect.havip] = effect.holding?.port ?? -1;
        this.#unprogrammed.set(effect.havip, { epoch: effect.epoch, capturedNs: effect.capturedNs });
        break;
      case 'event':
        this.events.push({ seq: ++this.#eventCount, ...effect.event });
        if (this.events.length > EVENTS_KEPT) this.events.shift();
        this.log.info({ ...effect.event, text: undefined }, effect.event.text);
        break;
      case 'failover':
        this.#observe.failover?.({ ...effect.failover.phasesMs });
        break;
      case 'resign':
        this.#inject(effect.ports, effect.frame, 'assisted resign');
        break;
      case 'verify':
        this.#inject([effect.port], arpQuestion(effect.mac, effect.address), 'question to a silent holder');
        break;
      case 'probe':
        this.#prober?.burst(effect.havip);
        break;
    }
  }

  /** One transaction for the whole turn; then the hosts' own neighbour entries, which need no transaction. */
  #program(): void {
    const outcome = this.reconciler.flush();
    for (const [havip, { epoch, capturedNs }] of this.#unprogrammed) {
      if (!this.reconciler.isProgrammed(havip)) continue;
      this.#unprogrammed.delete(havip);
      if (capturedNs !== null) this.#observe.claimToProgrammed?.((outcome.ackedNs - capturedNs) / 1e9);
      this.ledger.programmed(havip, epoch, outcome.ackedNs);
      const failed = this.#neighbours.hold(havip, this.ledger.holderMac(havip));
      if (failed === null) this.#once.worked('neighbour');
      else this.#once.failed('neighbour', failed);
    }
  }

  #inject(ports: readonly number[], frame: Uint8Array, what: string): void {
    for (const port of ports) {
      const name = this.network.ports[port]?.interface;
      if (name === undefined || this.#injector === null) continue;
      if (this.#injector.inject(name, frame)) this.#once.worked(`inject ${name}`);
      else this.#once.failed(`inject ${name}`, `${what} could not be sent into ${name}`);
    }
  }

  /** Deletes of holders wait until the workers have told the state of every port. */
  #settle(): void {
    if (
      this.#released ||
      (this.workers !== null && this.network.ports.some((port) => port !== null && !this.links.has(port.index)))
    )
      return;
    this.#released = true;
    this.reconciler.release();
    this.reconciler.flush();
  }

  #checkDrift(): void {
    this.lastBeatNs = this.clock.nowNs();
    if (this.vswitch.changed()) this.reconciler.resync();
  }

  #logRefusal(claim: Claim): void {
    const reason = reasonOf(claim.verdict);
    const suppressed = this.#refusals.allow(reason);
    if (suppressed === null) return;
    const port = this.network.ports[claim.port];
    this.log.warn(
      { reason, interface: port?.interface, instance: port?.instance, havip: this.network.havips[claim.havip]?.id, suppressed },
      'frame refused',
    );
  }

  #setAlarm(): void {
    if (this.#inbox.hasMore) this.#nextTurn ??= setImmediate(() => this.#goOn());
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    const dueNs = Math.min(this.ledger.nextDeadlineNs() ?? Infinity, this.reconciler.nextRetryNs ?? Infinity);
    if (dueNs === Infinity || this.#stopped) return;
    const inMs = Math.min(2 ** 31 - 1, Math.max(0, Math.ceil((dueNs - this.clock.nowNs()) / 1e6)));
    this.#alarm = setTimeout(() => this.turn(), inMs);
  }

  /** The rest of what a turn left, after others had theirs. */
  #goOn(): void {
    this.#nextTurn = null;
    if (!this.#stopped) this.turn();
  }
}
