/** What a reader of a replay's report must know beside it: what was left out of the judgement, what was put in order, what to do about it. */
import { formatMac, joinMac } from '../base/mac.ts';
import type { Network } from '../base/network.ts';
import { Window } from '../pcap/file.ts';
import { walk } from '../pcap/walk.ts';
import type { ReplayedHistory } from './history.ts';
import { MOST_SORTED, type Merged } from './merge.ts';
import type { MappedFile } from './ports.ts';
import type { Totals } from './totals.ts';

export interface Seen {
  readonly file: MappedFile;
  readonly totals: Totals;
  /** Claims that stood behind later ones. */
  readonly stepsBack: number;
  /** How they were put in order; null: they were not. */
  readonly merged: Merged | null;
}

export function notesOn(seen: Seen): string[] {
  const { totals } = seen;
  const notes: string[] = [];
  const towards = totals.of('towards-guest');
  if (towards > 0) notes.push(`${frames(towards)} on the way to a guest, not from it: counted, not judged`);
  const cut = totals.of('cut');
  if (cut > 0)
    notes.push(`${frames(cut)} cut short by the capture before what decides: not judged; capture whole frames (tcpdump -s 0)`);
  for (const [why, count] of totals.skipped) notes.push(`${count} packets skipped: ${why}`);
  const { untimed } = totals;
  if (untimed > 0 && untimed < totals.frames)
    notes.push(`${frames(untimed)} without a time: taken to be as late as the claim before`);
  notes.push(...orderNotes(seen));
  if (totals.frames > 0 && totals.of('unknown-port') === totals.frames) notes.push(...unknownNotes(seen.file));
  return notes;
}

/** That a machine answered nothing is known to who asked it: an agent. */
export function hungNotes({ havips }: Network, { failovers }: Pick<ReplayedHistory, 'failovers'>): string[] {
  const silent = new Set(failovers.filter(({ cause }) => cause === 'silence').map(({ havip }) => havip));
  const watched = havips.flatMap((one) =>
    one !== null && silent.has(one.id) && one.assist?.on.includes('hung') ? [one.id] : [],
  );
  if (watched.length === 0) return [];
  return [
    `silence, of ${watched.join(', ')}: whether the machine was hung a capture does not say; the agent asked it, and its events say \`hung\``,
  ];
}

function orderNotes({ file, stepsBack, merged }: Seen): string[] {
  if (stepsBack === 0) return [];
  const late = merged?.late ?? stepsBack;
  const count = `${late} ${late === 1 ? 'claim stands' : 'claims stand'} behind later ones in the file`;
  if (merged === null)
    return [
      `${count}, and there are too many (over ${MOST_SORTED}) to sort: holders and causes may be wrong; sort it first (reordercap)`,
    ];
  if (merged.steps.length === 0) return [`${count}: judged in order of time`];
  const [first] = merged.steps;
  const more = merged.steps.length > MOST_STEPS ? [`the capture's clock was set back ${merged.steps.length} times`] : [];
  return (more.length > 0 ? [first!] : merged.steps)
    .map(({ atNs, byNs }) => {
      const at = new Date(file.baseSeconds * 1000 + atNs / 1e6).toISOString();
      return `the capture's clock was set back at ${at}: all behind it counts ${(byNs / 1e9).toFixed(3)} s later than it says; cut the file there (editcap -A, -B) to judge each part by its own clock`;
    })
    .concat(more);
}

/** Each is told, up to so many. */
const MOST_STEPS = 3;
const MOST_BYTES = 16 * 1024 * 1024;
const MOST_NAMED = 8;

/** Of a file in which no frame belongs to a port: who speaks in it. */
function unknownNotes(file: MappedFile): string[] {
  const window = new Window();
  const seen = new Map<string, number>();
  const names = new Set<string>();
  walk(file, file.section, file.start, Math.min(file.sizeBytes, file.start + MOST_BYTES), window, (batch, records) => {
    for (let i = 0; i < batch.count; i++) {
      names.add(records.section.interfaces[batch.interfaces[i]!]?.name ?? '');
      const at = batch.offsets[i]!;
      if (batch.captured[i]! < 14) continue;
      const mac = formatMac(joinMac(window.view.getUint16(at + 6), window.view.getInt32(at + 8)));
      seen.set(mac, (seen.get(mac) ?? 0) + 1);
    }
  });
  const most = [...seen].sort((a, b) => b[1] - a[1]);
  const macs = most.slice(0, MOST_NAMED).map(([mac, count]) => `${mac} (${count})`);
  const more = most.length > MOST_NAMED ? `, and ${most.length - MOST_NAMED} more` : '';
  const named = [...names].filter((name) => name !== '');
  return [
    `no frame belongs to a configured port; source MACs: ${macs.join(', ')}${more}`,
    `to map them: give a port one of these as \`mac\`${named.length > 0 ? `, or as \`interface\` one of ${named.join(', ')}` : ''}, or say --port INTERFACE`,
  ];
}

function frames(count: number): string {
  return `${count} ${count === 1 ? 'frame was' : 'frames were'}`;
}
