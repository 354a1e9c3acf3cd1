/** Ports on which the guard does not hold, since somebody else forwards what comes in before it is asked (VSwitch.bypasses). Main thread. */
import type { Log } from '../base/log.ts';
import type { Network } from '../base/network.ts';
import type { PortFinding } from '../ledger/port-findings.ts';
import type { VSwitch } from '../vswitch/vswitch.ts';

const MOST_FINDINGS = 32;

export class Bypasses {
  readonly #vswitch: Pick<VSwitch, 'bypasses'>;
  readonly #log: Log;
  #network: Network | null = null;
  #seen: ReadonlyMap<string, string> | null = null;
  #ports: readonly PortFinding[] = [];
  #uplinks: readonly PortFinding[] = [];

  constructor(vswitch: Pick<VSwitch, 'bypasses'>, log: Log) {
    this.#vswitch = vswitch;
    this.#log = log;
  }

  configure(network: Network): void {
    this.#network = network;
    this.#seen = null;
    this.look();
  }

  /** As often as one likes. */
  look(): void {
    const seen = this.#vswitch.bypasses();
    const { ports = [], uplinks = [] } = this.#network ?? {};
    if (seen === this.#seen) return;
    this.#seen = seen;
    const findingsOf = (what: string, ones: readonly ({ interface: string } | null)[]) =>
      ones.flatMap((one): PortFinding[] => {
        const why = one === null ? undefined : seen.get(one.interface);
        if (one === null || why === undefined) return [];
        const text = `${what} does not hold on ${one.interface}: ${why}`;
        return [{ kind: 'guard-ineffective', about: one.interface, text }];
      });
    const before = [...this.#ports, ...this.#uplinks];
    this.#ports = findingsOf('the guard', ports);
    this.#uplinks = findingsOf('the flow map', uplinks);
    this.#say(before, [...this.#ports, ...this.#uplinks]);
  }

  /** How many ports there are of that kind. */
  get ports(): number {
    return this.#ports.length;
  }

  findings(): PortFinding[] {
    return [...this.#ports, ...this.#uplinks].slice(0, MOST_FINDINGS);
  }

  /** For `status`; null: there are none. */
  get note(): string | null {
    const [first] = this.findings();
    const left = this.#ports.length + this.#uplinks.length - 1;
    return first === undefined ? null : `${first.text}${left > 0 ? `; and on ${left} more` : ''}`;
  }

  /** Each once when it begins, and once when it ends. */
  #say(before: readonly PortFinding[], now: readonly PortFinding[]): void {
    const [was, is] = [new Set(before.map(({ text }) => text)), new Set(now.map(({ about }) => about))];
    const come = now.filter(({ text }) => !was.has(text));
    for (const { about, text } of come.slice(0, MOST_FINDINGS)) this.#log.error({ interface: about }, text);
    if (come.length > MOST_FINDINGS) this.#log.error({}, `the same of ${come.length - MOST_FINDINGS} more interfaces`);
    for (const { about } of before)
      if (!is.has(about)) this.#log.info({ interface: about }, `Open vSwitch no longer keeps the guard from ${about}`);
  }
}
