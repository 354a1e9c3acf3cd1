/**
 * The agent as a service: tells the manager when it is ready, what it does, and that it still turns. Main thread.
 *
 * WATCHDOG=1 is said by a timer of the main loop, and only while every worker has turned as well: a loop or a worker that hangs is silent, and the
 * manager starts the agent anew; the switch stays as it is meanwhile.
 *
 * READY=1 is said when the agent is ready (health.ts), or some time after its start though it is not: it tries on and says why not. To be
 * started anew would not help it, would make it forget what it saw, and what waits for it at boot would wait for a switch's trouble to end.
 */
import type { Clock } from '../base/clock.ts';
import { Notifier, type Supervision } from './notify.ts';

export interface Supervised {
  readonly clock: Clock;
  readonly health: { isTurning(): boolean; notReady(): string | null };
  readonly ledger: { bindingsByState(): { readonly bound: number; readonly contested: number } };
}

const BEAT_MS = 250;
const PATIENCE_MS = 20_000;

export class Service {
  readonly #agent: Supervised;
  readonly #notifier: Notifier;
  readonly #watchdogNs: number | null;
  readonly #startedNs: number;
  #timer: NodeJS.Timeout | null = null;
  #isReady = false;
  #reloads = 0;
  #status = '';
  #watchdogSaidNs = -Infinity;

  /** @param supervision null: nobody supervises */
  constructor(agent: Supervised, supervision: Supervision | null) {
    this.#agent = agent;
    this.#notifier = new Notifier(supervision?.socket ?? null);
    // Four times in the manager's time: one that is lost is made up for.
    this.#watchdogNs = supervision?.watchdogUs ? (supervision.watchdogUs * 1e3) / 4 : null;
    this.#startedNs = agent.clock.nowNs();
    if (supervision !== null) this.#timer = setInterval(() => this.beat(), BEAT_MS);
  }

  /** A few times a second: says what has changed since the last one. */
  beat(): void {
    const nowNs = this.#agent.clock.nowNs();
    const trouble = this.#agent.health.notReady();
    this.#sayStatus(trouble);
    if (!this.#isReady && (trouble === null || nowNs - this.#startedNs > PATIENCE_MS * 1e6))
      this.#isReady = this.#notifier.tell('READY=1');
    const isDue = this.#watchdogNs !== null && nowNs - this.#watchdogSaidNs >= this.#watchdogNs;
    if (isDue && this.#agent.health.isTurning() && this.#notifier.tell('WATCHDOG=1')) this.#watchdogSaidNs = nowNs;
  }

  /** The manager waits meanwhile, where `reload` was asked of it. */
  async during(reload: Promise<void>): Promise<void> {
    // MONOTONIC_USEC is what systemd 253 and newer ask for with it.
    if (this.#reloads++ === 0)
      this.#notifier.tell('RELOADING=1', `MONOTONIC_USEC=${Math.floor(this.#agent.clock.nowNs() / 1e3)}`);
    try {
      await reload;
    } finally {
      // Said by the next beat again if the manager does not take it.
      if (--this.#reloads === 0) this.#isReady = this.#notifier.tell('READY=1');
    }
  }

  stopping(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#notifier.tell('STOPPING=1', 'STATUS=stopping; the virtual switch stays as it is');
    this.#notifier.close();
  }

  #sayStatus(trouble: string | null): void {
    const { bound, contested } = this.#agent.ledger.bindingsByState();
    const status = `${trouble === null ? '' : `NOT READY: ${trouble.replaceAll('\n', ' ')}; `}${bound} bound, ${contested} contested`;
    if (status !== this.#status && this.#notifier.tell(`STATUS=${status}`)) this.#status = status;
  }
}
