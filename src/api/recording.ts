/**
 * The flight recorder's file: what was seen and decided around the last changes of a HAVIP, as pcapng with a comment per frame.
 * Main thread. Replaying the file gives the same events, as far as ports of this host made them: replay does not judge frames of uplinks.
 *
 * Decisions that no frame caused (a lost carrier, the end of a wait) have no bytes to write; their words go to the comment of the
 * frame before them. What a replay needs of them, link changes and adopted bindings, is kept as notes (pcap/notes.ts).
 */
import type { Agent } from '../agent/agent.ts';
import { interfaceAt } from '../base/elsewhere.ts';
import { answerOf, V, VERDICTS } from '../base/verdict.ts';
import type { Note } from '../pcap/notes.ts';
import { type WrittenFrame, writePcapng } from '../pcap/writer.ts';
import type { RecorderEntry } from '../ledger/recorder.ts';

/** Behind a comment whose frame had a password. */
const BLANKED = 'password blanked and taken out of the VRRP checksum';

export function recordingOf(agent: Agent, havip: number): Uint8Array {
  const interfaces: string[] = [];
  const frames: (WrittenFrame & { comment: string })[] = [];
  const notes: Note[] = [];
  const entries = agent.ledger.record(havip);
  const nameOf = (place: number) => interfaceAt(agent.network, place) ?? 'removed';
  // One offset from the monotonic clock for the whole file: distances between frames are the kernel's own.
  const newest = entries.at(-1);
  const epochNs =
    newest === undefined ? 0n : BigInt(Math.round(newest.wallMs)) * 1_000_000n - BigInt(Math.round(newest.capturedNs));
  const timeOf = (monotonicNs: number) => epochNs + BigInt(Math.round(monotonicNs));
  for (const entry of entries) {
    const last = frames.at(-1);
    const name = nameOf(entry.port);
    if (entry.adopted !== undefined) {
      const id = agent.network.havips[havip]?.id ?? '';
      const { mac, epoch, sinceMs } = entry.adopted;
      notes.push({ kind: 'adopted', atNs: String(timeOf(entry.capturedNs)), havip: id, interface: name, mac, epoch, sinceMs });
    } else if (entry.frame.length > 0) {
      if (!interfaces.includes(name)) interfaces.push(name);
      frames.push({
        interface: interfaces.indexOf(name),
        atNs: timeOf(entry.capturedNs),
        length: entry.frame.length,
        bytes: entry.frame,
        comment: commentOf(entry),
      });
    } else if (last !== undefined) last.comment += `; then: ${entry.note}`;
  }
  const oldestNs = entries[0]?.capturedNs ?? Infinity;
  for (const { change } of agent.ledger.recordedLinks) {
    const { state, ifindex, atNs, port } = change;
    if (atNs >= oldestNs) notes.push({ kind: 'link', atNs: String(timeOf(atNs)), interface: nameOf(port), state, ifindex });
  }
  return writePcapng(interfaces, frames, notes);
}

function commentOf(entry: RecorderEntry): string {
  const row = VERDICTS[entry.verdict];
  const verdict = row === undefined ? '' : `${answerOf(row)}: ${row.name}; `;
  return `${verdict}${entry.note}${hadPassword(entry) ? `; ${BLANKED}` : ''}`;
}

/** VRRP version 2 with authentication type PASS (RFC 2338, 5.3.6). */
function hadPassword({ frame, verdict }: RecorderEntry): boolean {
  if (verdict !== V['vrrp-advert'] && verdict !== V['vrrp-resign']) return false;
  const message = 14 + ((frame[14] ?? 0) & 15) * 4;
  return frame[23] === 112 && frame[message] === 0x21 && frame[message + 4] === 1;
}
