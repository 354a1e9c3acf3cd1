/** Which HAVIPs are probed, from where, and what came of it: the prober as the agent has it, and nothing where there is none. Main thread. */
import type { Network } from '../base/network.ts';
import type { Prober } from './prober.ts';
import type { ServiceProber } from './service.ts';

export interface ProbeResult {
  readonly havip: string;
  readonly up: boolean;
  /** null before the first reply. */
  readonly rttSeconds: number | null;
}

export class Probing {
  #prober: Prober | null = null;
  #services: ServiceProber | null = null;
  #gatewayInterface: (gateway: number) => string | null = () => null;

  /** @param gatewayInterface the interface of this host that has a gateway's address */
  start(prober: Prober, services: ServiceProber, gatewayInterface: (gateway: number) => string | null, network: Network): void {
    this.#prober = prober;
    this.#services = services;
    this.#gatewayInterface = gatewayInterface;
    this.configure(network);
  }

  configure(network: Network): void {
    const interfaceOf = (subnet: number) => {
      const gateway = network.subnets[subnet]?.gateway ?? null;
      return gateway === null ? null : this.#gatewayInterface(gateway);
    };
    this.#prober?.configure(network, interfaceOf);
    this.#services?.configure(network, interfaceOf);
  }

  /** The HAVIP has moved: when does it answer? */
  burst(havip: number): void {
    this.#prober?.burst(havip);
  }

  *results(network: Network): Iterable<ProbeResult> {
    for (const { havip, up, rttSeconds } of this.#prober?.results() ?? []) {
      const id = network.havips[havip]?.id;
      if (id !== undefined) yield { havip: id, up, rttSeconds };
    }
  }

  *services(network: Network): Iterable<{ readonly havip: string; readonly up: boolean }> {
    for (const { havip, up } of this.#services?.results() ?? []) {
      const id = network.havips[havip]?.id;
      if (id !== undefined) yield { havip: id, up };
    }
  }

  close(): void {
    this.#prober?.close();
    this.#services?.close();
  }
}
