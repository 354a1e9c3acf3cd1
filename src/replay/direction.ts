/** Which way a frame went, for files that hold both: see ports.ts. Asked once per frame of such files, no allocation but for the batch. */
import type { Batch } from '../pcap/section.ts';
import * as P from './ports.ts';
import type { AnyInterfaces, InterfacePorts, PortFinder } from './ports.ts';

const { BY_IFINDEX, NO_PORT } = P;
/** On its way to a guest. */
export const AWAY = -3;

/**
 * @returns of frame `i`, which has 14 bytes at least: the port that it came from, NO_PORT, or AWAY. Asked with what its interface or its
 *   source MAC says.
 */
export function senderOf(
  batch: Batch,
  view: DataView,
  finder: PortFinder,
  { ports, from, any }: InterfacePorts,
): (i: number, said: number) => number {
  const { directed, directions, ifindexes, interfaces, offsets } = batch;
  return (i, said) => {
    const byIfindex = ports[interfaces[i]!] === BY_IFINDEX;
    const port = byIfindex ? onAny(any, ifindexes[i]!, said) : said;
    const direction = directed ? directions[i]! : 0;
    // What leaves by an interface that is no port's is on its way to no guest.
    if (direction !== 0) return direction !== from[interfaces[i]!] && (port >= 0 || !byIfindex) ? AWAY : port;
    return port >= 0 && finder.isTowards(port, view, offsets[i]!) ? AWAY : port;
  };
}

/** On an interface that is no port's, what a port's own has shown already is nobody's. */
function onAny(any: AnyInterfaces | undefined, ifindex: number, ofSource: number): number {
  if (any === undefined || any.ports.size === 0) return ofSource;
  const port = any.ports.get(ifindex) ?? BY_IFINDEX;
  return port === NO_PORT ? ofSource : port === BY_IFINDEX ? NO_PORT : port;
}
