/**
 * The flight recorder: per HAVIP the last frames and decisions, so that a change can be looked at afterwards. Main thread.
 *
 * Two lists per HAVIP: `routine` frames (adverts, refreshes, refusals) turn over; what the ledger decided is `notable`, and at a
 * change the routine frames of that moment are kept with it. So neither a flood nor a quiet week washes a change out. Repetitions
 * of one port within 50 ms are one entry. Over all HAVIPs the bytes are bounded: those without a change lose their log first.
 */
import type { Binding } from '../base/binding.ts';
import type { Claim, ClaimKind, LinkChange } from '../lane/claim.ts';

export interface RecorderEntry {
  readonly capturedNs: number;
  readonly wallMs: number;
  readonly port: number;
  readonly kind: ClaimKind | 'decision';
  /** Password blanked; empty for a decision that no frame caused. */
  readonly frame: Uint8Array;
  /** Index into VERDICTS, -1 without a frame. */
  readonly verdict: number;
  /** What it meant to the ledger. */
  readonly note: string;
  /** A decision that came from the switch at start, not from a frame. */
  readonly adopted?: Binding;
}

/** A link change of any port: a failover may hang on one that held nothing at the time. */
export interface RecordedLink {
  readonly change: LinkChange;
  readonly wallMs: number;
}

interface Log {
  readonly routine: RecorderEntry[];
  readonly notable: RecorderEntry[];
}

const MOST_ROUTINE = 32;
const MOST_NOTABLE = 64;
const MOST_LINKS = 1024;
const SAME_NS = 50e6;
/** An entry's object, and its share of the lists and the map, beside the frame's bytes. */
const ENTRY_BYTES = 400;
const NO_FRAME = new Uint8Array(0);

export class Recorder {
  readonly #mostBytes: number;
  #bytes = 0;
  readonly #links: RecordedLink[] = [];
  /** Both in the order of last use. */
  readonly #quiet = new Map<number, Log>();
  readonly #changed = new Map<number, Log>();

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A frame that changed nothing. Hot under a flood: then it is nothing but a comparison. */
  routine(havip: number, claim: Claim, wallMs: number, note: string): void {
    const log = this.#log(havip);
    if (isRepetition(log.routine, claim)) return;
    this.#add(log.routine, MOST_ROUTINE, entryOf(claim, wallMs, note));
    this.#shrink(havip);
  }

  /** A frame, or none, that decided something; `change`: the holder changed. */
  notable(havip: number, claim: Claim | null, atNs: number, port: number, wallMs: number, note: string, change: boolean): void {
    const log = this.#log(havip);
    if (change) {
      for (const entry of log.routine.splice(0)) {
        this.#bytes -= sizeOf(entry);
        this.#add(log.notable, MOST_NOTABLE, entry);
      }
      this.#quiet.delete(havip);
      this.#changed.delete(havip);
      this.#changed.set(havip, log);
    }
    const decision = { capturedNs: atNs, wallMs, port, kind: 'decision', frame: NO_FRAME, verdict: -1, note } as const;
    this.#add(log.notable, MOST_NOTABLE, claim === null ? decision : entryOf(claim, wallMs, note));
    this.#shrink(havip);
  }

  link(change: LinkChange, wallMs: number): void {
    this.#links.push({ change, wallMs });
    if (this.#links.length > MOST_LINKS) this.#links.shift();
  }

  /** Of all ports, oldest first. */
  get links(): readonly RecordedLink[] {
    return this.#links;
  }

  /** A binding that was found in the switch: no frame says it. */
  adopted(havip: number, port: number, atNs: number, wallMs: number, adopted: Binding): void {
    const note = 'adopted from the switch';
    const entry = { capturedNs: atNs, wallMs, port, kind: 'decision', frame: NO_FRAME, verdict: -1, note, adopted } as const;
    this.#add(this.#log(havip).notable, MOST_NOTABLE, entry);
    this.#shrink(havip);
  }

  /** In the order of capture. */
  entries(havip: number): RecorderEntry[] {
    const log = this.#changed.get(havip) ?? this.#quiet.get(havip);
    return log === undefined ? [] : [...log.notable, ...log.routine].sort((a, b) => a.capturedNs - b.capturedNs);
  }

  forget(havip: number): void {
    const log = this.#changed.get(havip) ?? this.#quiet.get(havip);
    if (log === undefined) return;
    for (const entry of log.routine) this.#bytes -= sizeOf(entry);
    for (const entry of log.notable) this.#bytes -= sizeOf(entry);
    this.#changed.delete(havip);
    this.#quiet.delete(havip);
  }

  #log(havip: number): Log {
    const known = this.#changed.get(havip) ?? this.#quiet.get(havip);
    if (known !== undefined) return known;
    const log: Log = { routine: [], notable: [] };
    this.#quiet.set(havip, log);
    return log;
  }

  #add(list: RecorderEntry[], most: number, entry: RecorderEntry): void {
    list.push(entry);
    this.#bytes += sizeOf(entry);
    if (list.length <= most) return;
    const oldest = list.shift();
    if (oldest !== undefined) this.#bytes -= sizeOf(oldest);
  }

  #shrink(keep: number): void {
    while (this.#bytes > this.#mostBytes) {
      const victim = first(this.#quiet, keep) ?? first(this.#changed, keep);
      if (victim === null) return;
      this.forget(victim);
    }
  }
}

function entryOf(claim: Claim, wallMs: number, note: string): RecorderEntry {
  const { capturedNs, port, kind, frame, verdict } = claim;
  return { capturedNs, wallMs, port, kind, frame, verdict, note };
}

function isRepetition(list: readonly RecorderEntry[], claim: Claim): boolean {
  for (let i = list.length - 1; i >= 0 && i >= list.length - 4; i--) {
    const entry = list[i];
    if (entry?.port === claim.port && entry.kind === claim.kind) return claim.capturedNs - entry.capturedNs < SAME_NS;
  }
  return false;
}

function sizeOf(entry: RecorderEntry): number {
  // Not byteLength, which V8 calls where it reads length.
  return entry.frame.length + ENTRY_BYTES;
}

function first(logs: ReadonlyMap<number, Log>, except: number): number | null {
  for (const havip of logs.keys()) if (havip !== except) return havip;
  return null;
}
