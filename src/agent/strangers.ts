/**
 * Interfaces on the bridges of our ports and uplinks that the configuration does not name. Nothing is asked of what they send: a tap that
 * somebody plugged in by hand says what it likes to every guest beside it. They are said; with `strangers: deny` those behind which a
 * guest may be are shut, so that nothing passes. Never a NIC, a bond or a tunnel: that would cut the host off. Main thread.
 */
import type { Log } from '../base/log.ts';
import { type Network, NO_NETWORK } from '../base/network.ts';
import type { Config } from '../config/config.ts';
import type { PortFinding } from '../ledger/port-findings.ts';
import type { Reconciler } from '../vswitch/reconciler.ts';
import type { Beside, VSwitch } from '../vswitch/vswitch.ts';

type Policy = Config['strangers'];

/** Behind these is a machine, a container or a process: IFLA_INFO_KIND of veth pairs, and of taps. */
const GUESTS: ReadonlySet<string> = new Set(['veth', 'tun']);
/** The kernel allows more, which a switch's tools read as a pattern or a quote (config/shape.ts). */
const NAMEABLE = /^[^"\\*]+$/;
/** Named in one line, or told one by one. */
const MOST_NAMED = 8;
const MOST_FINDINGS = 32;

export class Strangers {
  readonly #vswitch: Pick<VSwitch, 'beside'>;
  readonly #reconciler: Reconciler;
  readonly #log: Log;
  #known: ReadonlySet<string> = new Set();
  #policy: Policy = 'allow';
  #isChanged = true;
  #beside: readonly Beside[] = [];
  #open: readonly Beside[] = [];
  #said = { open: '', shut: '' };

  constructor(vswitch: Pick<VSwitch, 'beside'>, reconciler: Reconciler, log: Log) {
    this.#vswitch = vswitch;
    this.#reconciler = reconciler;
    this.#log = log;
  }

  /** Who is a port by now is no stranger, in the same transaction. */
  configure(network: Network, policy: Policy): void {
    const names = [...network.ports, ...network.uplinks].flatMap((one) => one?.interface ?? []);
    this.#known = network === NO_NETWORK ? new Set() : new Set(names);
    this.#policy = policy;
    this.#isChanged = true;
    this.look();
  }

  /** True: something changed, and the switch is to be flushed. As often as one likes. */
  look(): boolean {
    const beside = this.#vswitch.beside(this.#known);
    if (beside === this.#beside && !this.#isChanged) return false;
    this.#beside = beside;
    this.#isChanged = false;
    const shut = new Map<string, number>();
    for (const one of beside) if (this.#policy === 'deny' && mayBeShut(one)) shut.set(one.interface, one.index);
    this.#open = beside.filter((one) => !shut.has(one.interface));
    this.#say([...shut.keys()]);
    return this.#reconciler.want((desired) => desired.shut(shut));
  }

  /** How many there are that are not shut. */
  get unguarded(): number {
    return this.#open.length;
  }

  findings(): PortFinding[] {
    return this.#open
      .slice(0, MOST_FINDINGS)
      .map((one) => ({ kind: 'unguarded-bridge-port', about: one.interface, text: textOf(one) }));
  }

  /** For `status`; null: there are none. */
  get note(): string | null {
    if (this.#open.length === 0) return null;
    const names = this.#open.map((one) => `${one.interface} (${one.bridge})`);
    return `${countOf(names)} on a bridge of ports, named nowhere and not guarded: ${listOf(names)}`;
  }

  /** Once for each change. */
  #say(shut: readonly string[]): void {
    const { note } = this;
    const [open, names] = [note ?? '', listOf(shut)];
    if (open !== this.#said.open) {
      if (note === null) this.#log.info({}, 'no interface on a bridge of ports is without a guard any more');
      else this.#log.warn({ interfaces: this.#open.slice(0, MOST_NAMED).map((one) => one.interface) }, note);
    }
    if (names !== this.#said.shut && shut.length > 0)
      this.#log.warn({ interfaces: shut.slice(0, MOST_NAMED) }, `strangers: deny: nothing passes from ${names}`);
    this.#said = { open, shut: names };
  }
}

function mayBeShut({ interface: name, kind }: Beside): boolean {
  return GUESTS.has(kind) && NAMEABLE.test(name);
}

function textOf({ interface: name, bridge, beside, kind }: Beside): string {
  const where = `${name} is on ${bridge} beside ${beside} and named nowhere`;
  if (GUESTS.has(kind))
    return `${where}: nothing is asked of what comes in by it; add it to \`ports\`, or take it out, or set \`strangers: deny\``;
  const what = kind === '' ? 'a NIC' : `of kind ${kind}`;
  return `${where} (${what}): what comes in by it is not guarded, nor led to who holds a HAVIP; name it in \`uplinks\``;
}

function countOf(names: readonly string[]): string {
  return names.length === 1 ? '1 interface' : `${names.length} interfaces`;
}

function listOf(names: readonly string[]): string {
  const left = names.length - MOST_NAMED;
  return names.slice(0, MOST_NAMED).join(', ') + (left > 0 ? ` and ${left} more` : '');
}
