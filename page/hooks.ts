/** Small things that the page keeps, and what of time is in them. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

/** Between two reads of what changed: a storm of failovers is no storm of questions. */
const GATHER_MS = 2000;
const FRESH_MS = 2500;
const SEARCH_MS = 150;

/** Counts up, at most so often; the first at once. */
export function useTicks(): [number, () => void] {
  const [ticks, setTicks] = useState(0);
  const waiting = useRef<number | null>(null);
  const last = useRef(0);
  const tick = useCallback(() => {
    if (waiting.current !== null) return;
    const inMs = Math.max(60, last.current + GATHER_MS - performance.now());
    waiting.current = window.setTimeout(() => {
      waiting.current = null;
      last.current = performance.now();
      setTicks((before) => before + 1);
    }, inMs);
  }, []);
  return [ticks, tick];
}

export function useClock(): number {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}

/** Typed into, and asked for a moment later. */
export function useSearch(): [string, string, (text: string) => void] {
  const [text, setText] = useState('');
  const [q, setQ] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setQ(text.trim()), SEARCH_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, q, setText];
}

/** HAVIPs that have just changed. */
export function useFresh(): [ReadonlySet<string>, (name: string) => void] {
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const mark = useCallback((name: string) => {
    setFresh((before) => new Set(before).add(name));
    setTimeout(() => setFresh((before) => new Set([...before].filter((one) => one !== name))), FRESH_MS);
  }, []);
  return [fresh, mark];
}
