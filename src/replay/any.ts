/**
 * A capture on "any" (`tcpdump -i any`) numbers its interfaces and names none. Which of them is which port's follows from who speaks on
 * it: each frame of a guest comes in on its tap, and what the bridge, or another tap, sees of it comes later and never more often.
 * One pass over the file before it is judged.
 */
import type { CaptureFile, Window } from '../pcap/file.ts';
import { COOKED, COOKED_2, OUTBOUND, type Section } from '../pcap/section.ts';
import { walk } from '../pcap/walk.ts';
import { type AnyInterfaces, NO_PORT, type PortFinder } from './ports.ts';

/** Where a file says that it holds such frames at all. */
const HEAD_BYTES = 64 * 1024;

interface Heard {
  readonly ifindex: number;
  readonly port: number;
  readonly outbound: boolean;
  frames: number;
}

/** undefined: the file holds no such frames. */
export function learnInterfaces(file: CaptureFile, finder: PortFinder, window: Window): AnyInterfaces | undefined {
  const { section, start, sizeBytes } = file;
  const head = walk(file, section, start, Math.min(sizeBytes, start + HEAD_BYTES), window, () => {});
  if (!head.section.interfaces.some(({ linkType }) => isCooked(linkType))) return undefined;
  const heard = new Map<string, Heard>();
  walk(file, section, start, sizeBytes, window, (batch, records) => {
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offsets[i]!;
      if (!isCooked(linkTypeOf(records.section, batch.interfaces[i]!)) || batch.captured[i]! < 14) continue;
      const port = finder.ofSource(window.view.getUint16(at + 6), window.view.getInt32(at + 8));
      if (port !== NO_PORT) note(heard, batch.ifindexes[i]!, port, batch.directions[i] === OUTBOUND);
    }
  });
  return conclude([...heard.values()]);
}

function note(heard: Map<string, Heard>, ifindex: number, port: number, outbound: boolean): void {
  const key = `${ifindex} ${port} ${outbound}`;
  const known = heard.get(key);
  if (known === undefined) heard.set(key, { ifindex, port, outbound, frames: 1 });
  else known.frames++;
}

function conclude(heard: readonly Heard[]): AnyInterfaces {
  const comesIn = new Set(heard.filter(({ outbound }) => !outbound).map(({ port }) => port));
  // On a host whatever goes out to one guest came in from another; inside a guest its own words only go out.
  const inside = heard.some(({ outbound, port }) => outbound && !comesIn.has(port));
  const best = new Map<number, Heard>();
  for (const one of heard) {
    if (one.outbound !== inside) continue;
    const known = best.get(one.port);
    // Of as many frames on two interfaces the tap saw them first, as its entry stands first.
    if (known === undefined || one.frames > known.frames) best.set(one.port, one);
  }
  const ports = new Map<number, number>();
  for (const { ifindex, port } of best.values()) {
    // Two ports behind one interface: the taps are not in the capture, and each frame's MAC has to say.
    ports.set(ifindex, ports.has(ifindex) ? NO_PORT : port);
  }
  ports.delete(0);
  return { ports, inside };
}

function isCooked(linkType: number): boolean {
  return linkType === COOKED || linkType === COOKED_2;
}

function linkTypeOf(section: Section, index: number): number {
  return section.interfaces[index]?.linkType ?? 0;
}
