/**
 * How much of a failover's time was the guests' own, and what would shorten it: from what their adverts said, and nothing where they said
 * nothing. Main thread, pure.
 */
import type { Assist } from '../base/network.ts';
import type { FailoverCause, PhasesMs } from './effects.ts';
import type { Speaker } from './evidence.ts';
import { NS_PER_MS, type Limits } from './limits.ts';
import { isHastened } from './resign.ts';

/** From the frames until keepalived has announced the address: 25 to 49 ms (docs/protocol-facts.md, 36), less the skew of 10 ms. */
const ANNOUNCED_MS = 35;
const SHORT_INTERVAL_MS = 10;
const BEST_PRIORITY = 250;
/** A wait that is worth a word. */
const LONG_SKEW_MS = 100;

/** Known when the HAVIP moved; what is said of it when the failover's times are known. */
export interface Timers {
  /** From the old holder's last sign of life until the agent spoke in its name; 0: it did not. */
  readonly noticeMs: number;
  readonly remedy: string | null;
}

export interface TimersOf {
  readonly cause: FailoverCause;
  readonly lostNs: number;
  readonly from: Speaker | null;
  readonly to: Speaker | null;
  readonly assist: Assist | null;
}

/** RFC 9568, 6.1; of version 2 as keepalived has it. */
function skewMs(priority: number, version: 2 | 3, intervalMs: number): number {
  return ((256 - priority) / 256) * (version === 2 ? 1000 : intervalMs);
}

/** null: no timer of VRRP was waited for, or nobody knows. */
export function timersOf({ cause, lostNs, from, to, assist }: TimersOf, limits: Limits): Timers | null {
  if (from === null || to === null || to.startNs <= lostNs || cause === 'preempt' || cause === 'takeover') return null;
  const assisted = from.assistedNs > lostNs;
  const hastened = assisted && assist !== null && isHastened(assist, from);
  const noticeMs = assisted ? (from.assistedNs - lostNs) / NS_PER_MS : 0;
  if (cause === 'link-down' && !hastened) return { noticeMs, remedy: `version 3 with assist: about ${hastenedMs(to, limits)}` };
  const isSlow = cause === 'resign' && skewMs(to.priority, from.facts.version, from.facts.intervalMs) > LONG_SKEW_MS;
  return { noticeMs, remedy: isSlow ? `priority ${BEST_PRIORITY}: about ${resignedMs(from)}` : null };
}

/** null: nobody knows when the old holder was lost. */
export function adviceOf({ noticeMs, remedy }: Timers, { detection, total }: PhasesMs): string | null {
  if (detection === undefined) return null;
  const own = Math.max(0, Math.round(detection - noticeMs));
  return `of ${Math.round(total)} ms, ${own} were the guests' own timers${remedy === null ? '' : `; ${remedy}`}`;
}

/** What the best backup's priority makes each resignation cost, where that is long; null: it is not, or nobody's is known. */
export function slowSkew(holder: Speaker, backup: Speaker, limits: Limits): string | null {
  const { version, intervalMs } = holder.facts;
  const costMs = skewMs(backup.priority, version, intervalMs);
  if (costMs <= LONG_SKEW_MS) return null;
  const bestMs = Math.round(skewMs(BEST_PRIORITY, version, intervalMs));
  const third = version === 2 ? `, version 3 with assist about ${hastenedMs(backup, limits)} ms after a crash` : '';
  return (
    `${backup.instance} waits ${Math.round(costMs)} ms after each resignation, because its priority is ${backup.priority}: ` +
    `priority ${BEST_PRIORITY} would make it ${bestMs} ms${third}`
  );
}

/** After a lost link: the guard time, the skew of a short interval, and until it is announced; to the next ten. */
function hastenedMs({ priority }: Speaker, { assistGuardMs }: Limits): number {
  return toTens(assistGuardMs + skewMs(priority, 3, SHORT_INTERVAL_MS) + ANNOUNCED_MS);
}

function resignedMs({ facts }: Speaker): number {
  return toTens(skewMs(BEST_PRIORITY, facts.version, facts.intervalMs) + ANNOUNCED_MS);
}

function toTens(ms: number): number {
  return Math.ceil(ms / 10) * 10;
}
