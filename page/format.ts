/** Numbers and times as people read them. */

const COUNT = new Intl.NumberFormat('en');

export function count(value: number): string {
  return COUNT.format(value);
}

/** `0.31 ms`, `12 ms`, `3.26 s`: three digits at most. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 100_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s` : age(ms);
}

/** `now`, `18 s`, `3 min`, `5 h`, `12 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return 'now';
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

export function since(at: string | null, nowMs: number): string {
  return at === null ? '–' : age(nowMs - Date.parse(at));
}

/** The time of day here; with the day where that is another one. */
export function clock(at: string, nowMs: number): string {
  const then = new Date(at);
  const time = then.toLocaleTimeString('en-GB', { hour12: false });
  const day = then.toLocaleDateString('en-CA');
  return day === new Date(nowMs).toLocaleDateString('en-CA') ? time : `${day} ${time}`;
}

/** An event's text without its kind, which stands before it. */
export function told(kind: string, text: string): string {
  return text.startsWith(kind) ? text.slice(kind.length).replace(/^[:,]? /, '') : text;
}
