/** One frame of a capture file, and the port that replay would say it came from. */
import type { Network, Port } from '../base/network.ts';
import { CaptureFileError, closeCapture, Window } from '../pcap/file.ts';
import { openAnyCapture } from '../pcap/open.ts';
import { walk } from '../pcap/walk.ts';
import { learnInterfaces } from './any.ts';
import { AWAY, senderOf } from './direction.ts';
import { buildPortTables, NO_PORT, PortFinder } from './ports.ts';

export interface Picked {
  readonly frame: Uint8Array;
  /** Bytes that it had before the capture cut it. */
  readonly length: number;
  readonly port: Port | null;
  /** On its way to a guest. */
  readonly away: boolean;
}

/**
 * @param number from 1, as Wireshark and tcpdump --number count
 * @param port as replay's --port
 */
export async function pickFrame(path: string, number: number, network: Network, port = NO_PORT): Promise<Picked> {
  const file = await openAnyCapture(path);
  try {
    const window = new Window();
    const finder = new PortFinder(buildPortTables(network, port));
    const any = learnInterfaces(file, finder, window);
    let before = 0;
    let picked: Picked | null = null;
    const { frames } = walk(file, file.section, file.start, file.sizeBytes, window, (batch, records) => {
      const i = number - 1 - before;
      before += batch.count;
      if (i < 0 || i >= batch.count) return;
      const at = batch.offsets[i]!;
      const captured = batch.captured[i]!;
      const known = finder.ofInterfaces(records.section, any);
      const named = known.ports[batch.interfaces[i]!]!;
      const said =
        named >= 0 || captured < 14 ? named : finder.ofSource(window.view.getUint16(at + 6), window.view.getInt32(at + 8));
      const from = captured < 14 ? said : senderOf(batch, window.view, finder, known)(i, said);
      const frame = window.bytes.slice(at, at + captured);
      picked = { frame, length: records.lengthOf(batch, i), port: network.ports[from] ?? null, away: from === AWAY };
    });
    if (picked === null) throw new CaptureFileError(`${path}: there is no frame ${number}, only ${frames}`);
    return picked;
  } finally {
    closeCapture(file);
  }
}
