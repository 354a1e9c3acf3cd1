/**
 * What the guard drops of bulk traffic, which no worker sees: the switch remembers for a minute whose it was, and here it becomes
 * findings: of a HAVIP where one is concerned, else of the port, with the cure. Main thread; nothing is read while nothing is dropped.
 */
import type { Clock } from '../base/clock.ts';
import { parseIpv4 } from '../base/address.ts';
import { parseMac, vridOf } from '../base/mac.ts';
import type { Network, Port } from '../base/network.ts';
import { V, VERDICTS } from '../base/verdict.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PortFinding } from '../ledger/port-findings.ts';
import { COUNTED_REASONS, type CountedReason, type KernelRefusal, type VSwitch } from '../vswitch/vswitch.ts';

const POLL_NS = 1e9;
const KEPT_NS = 3600e9;

interface Seen {
  readonly reason: CountedReason;
  readonly what: string | null;
  atNs: number;
}

export class KernelRefusals {
  readonly #vswitch: VSwitch;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  #polledNs = Number.NEGATIVE_INFINITY;
  #dropped = 0;
  /** By port and reason: the first that was seen. */
  readonly #seen = new Map<number, Map<CountedReason, Seen>>();

  constructor(vswitch: VSwitch, ledger: Ledger, clock: Clock) {
    this.#vswitch = vswitch;
    this.#ledger = ledger;
    this.#clock = clock;
  }

  /** As often as one likes. */
  poll(network: Network): void {
    const nowNs = this.#clock.nowNs();
    if (nowNs - this.#polledNs < POLL_NS) return;
    this.#polledNs = nowNs;
    const dropped = COUNTED_REASONS.reduce((sum, reason) => sum + this.#vswitch.droppedFor(reason), 0);
    if (dropped === this.#dropped) return;
    this.#dropped = dropped;
    const ports = new Map(network.ports.flatMap((port) => (port === null ? [] : [[port.interface, port] as const])));
    for (const refusal of this.#vswitch.refusals()) {
      const port = ports.get(refusal.interface);
      if (port !== undefined) this.#note(port, refusal, nowNs);
    }
  }

  /** Of ports, within the last hour. */
  findings(network: Network): PortFinding[] {
    const nowNs = this.#clock.nowNs();
    const found: PortFinding[] = [];
    for (const [index, reasons] of this.#seen) {
      const port = network.ports[index];
      if (!port) continue;
      for (const { reason, what, atNs } of reasons.values()) {
        if (nowNs - atNs > KEPT_NS) continue;
        found.push({ kind: 'source-refused', about: port.interface, text: textOf(port, reason, what) });
      }
    }
    return found;
  }

  #note(port: Port, { reason, what }: KernelRefusal, nowNs: number): void {
    const address = what === null ? null : parseIpv4(what);
    const mac = what === null ? null : parseMac(what);
    if (address !== null) this.#ledger.refusedBySwitch(port, this.#ledger.havipAt(port.vpc, address), V[reason], nowNs);
    if (mac !== null) this.#ledger.refusedBySwitch(port, this.#ledger.heldUnder(port.vpc, vridOf(mac)), V[reason], nowNs);
    if (reason === 'fence' || reason === 'vmac-held') return;
    let reasons = this.#seen.get(port.index);
    if (reasons === undefined) this.#seen.set(port.index, (reasons = new Map()));
    const seen = reasons.get(reason);
    if (seen === undefined) reasons.set(reason, { reason, what, atNs: nowNs });
    else seen.atNs = nowNs;
  }
}

function textOf(port: Port, reason: CountedReason, what: string | null): string {
  const row = VERDICTS[V[reason]];
  const from = what === null ? '' : ` from ${what}`;
  return `${port.instance} is refused (${reason})${from} on ${port.interface}: ${row?.means ?? ''}. ${row?.opposite ?? ''}`;
}
