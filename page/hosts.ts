/** What the page knows of each agent: its status, and what is wrong. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import {
  type EipView,
  type EventView,
  get,
  type HavipPage,
  type HavipView,
  type HostView,
  type PortView,
  type StatusView,
  type UplinkView,
} from './api.ts';

const AGAIN_MS = 5000;
/** Of alarms, on the page. */
const ALARMS = 20;

export interface Host {
  readonly address: string;
  /** null: not read yet. */
  readonly status: StatusView | null;
  /** Why it does not answer; null: it does. */
  readonly away: string | null;
  readonly totals: HavipPage['totals'] | null;
  readonly contested: readonly HavipView[];
  readonly events: readonly EventView[];
}

export const EVENTS = 30;

function unread(address: string): Host {
  return { address, status: null, away: null, totals: null, contested: [], events: [] };
}

/** All of them, read every few seconds while anybody looks, and at once when something changed. */
export function useHosts(addresses: readonly string[], changed: number) {
  const [hosts, setHosts] = useState<readonly Host[]>([]);
  const change = useCallback(
    (agent: number, what: (host: Host) => Partial<Host>) =>
      setHosts((before) => before.map((host, i) => (i === agent ? { ...host, ...what(host) } : host))),
    [],
  );
  const read = useCallback(async () => {
    const one = async (agent: number) => {
      try {
        const [status, page, events] = await Promise.all([
          get<StatusView>(agent, 'status'),
          get<HavipPage>(agent, `havips?state=contested&limit=${ALARMS}`),
          get<EventView[]>(agent, `events?limit=${EVENTS}`),
        ]);
        change(agent, () => ({ status, totals: page.totals, contested: page.havips, events, away: null }));
      } catch (error) {
        change(agent, () => ({ away: error instanceof Error ? error.message : String(error) }));
      }
    };
    await Promise.all(addresses.map((_, agent) => one(agent)));
  }, [addresses]);
  useEffect(() => setHosts(addresses.map(unread)), [addresses]);
  useEffect(() => {
    void read();
    const timer = setInterval(() => document.visibilityState === 'visible' && void read(), AGAIN_MS);
    return () => clearInterval(timer);
  }, [read, changed]);
  return { hosts, change };
}

/** A list of the agent's, read as the status is. That the agent is away stands at the head of the page. */
function useListOf<T>(none: readonly T[], agent: number, path: string, changed: number): readonly T[] {
  const [list, setList] = useState(none);
  useEffect(() => setList(none), [agent, path]);
  useEffect(() => {
    let isOver = false;
    const read = () => {
      get<T[]>(agent, path).then(
        (items) => !isOver && setList(items),
        () => {},
      );
    };
    read();
    const timer = setInterval(() => document.visibilityState === 'visible' && read(), AGAIN_MS);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [agent, path, changed]);
  return list;
}

export function usePorts(agent: number, changed: number): readonly PortView[] {
  return useListOf(NO_PORTS, agent, 'ports', changed);
}

/** Of EIPs, on the page. */
export const EIPS = 200;

export interface Surroundings {
  readonly uplinks: readonly UplinkView[];
  readonly eips: readonly EipView[];
  readonly others: readonly HostView[];
}

const NO_PORTS: readonly PortView[] = [];
const NOTHING: Surroundings = { uplinks: [], eips: [], others: [] };

export function useSurroundings(agent: number, changed: number): Surroundings {
  return {
    uplinks: useListOf(NOTHING.uplinks, agent, 'uplinks', changed),
    eips: useListOf(NOTHING.eips, agent, `eips?limit=${EIPS + 1}`, changed),
    others: useListOf(NOTHING.others, agent, 'hosts', changed),
  };
}
