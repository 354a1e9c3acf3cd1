/** Which HAVIPs are probed, from where, and what came of it: the prober as the agent has it, and nothing where there is none. Main thread. */
import type { Network } from '../base/network.ts';
import type { Prober } from './prober.ts';

export interface ProbeResult {
  readonly havip: string;
  readonly up: boolean;
  /** null before the first reply. */
  readonly rttSeconds: number | null;
}

export class Probing {
  #prober: Prober | null = null;
  #gatewayInterface: (gateway: number) => string | null = () => null;

  /** @param gatewayInterface the interface of this host that has a gateway's address */
  start(prober: Prober, gatewayInterface: (gateway: number) => string | null, network: Network): void {
    this.#prober = prober;
    this.#gatewayInterface = gatewayInterface;
    this.configure(network);
  }

  configure(network: Network): void {
    this.#prober?.configure(network, (subnet) => {
      const gateway = network.subnets[subnet]?.gateway ?? null;
      return gateway === null ? null : this.#gatewayInterface(gateway);
    });
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

  close(): void {
    this.#prober?.close();
  }
}
