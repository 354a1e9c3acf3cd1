/**
 * The page as a whole: what is chosen, and what comes. What is chosen stands in the address (`#AGENT/HAVIP`), so that it can be sent to somebody.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Around } from './around.ts';
import { html } from './html.ts';
import { type About, type HavipView, listen } from './api.ts';
import { Detail, useHavip } from './detail.ts';
import { Alarms, Hosts, Tiles } from './head.ts';
import { EVENTS, type Host, useHosts, usePorts, useSurroundings } from './hosts.ts';
import { useClock, useFresh, useSearch, useTicks } from './hooks.ts';
import { List, usePages } from './list.ts';
import { PHASES } from './phases.ts';
import { Drops, Ports, Recent } from './side.ts';
import { Dialog, type Wish } from './writes.ts';

interface Place {
  readonly agent: number;
  readonly id: string | null;
}

function placeIn(hash: string): Place {
  const [, agent = '0', id = ''] = /^#(\d+)(?:\/(.+))?$/.exec(hash) ?? [];
  return { agent: Number(agent), id: id === '' ? null : decodeURIComponent(id) };
}

function usePlace(): [Place, (place: Place) => void] {
  const [place, setPlace] = useState(placeIn(location.hash));
  useEffect(() => {
    const read = () => setPlace(placeIn(location.hash));
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);
  const go = useCallback(({ agent, id }: Place) => {
    location.hash = id === null ? `#${agent}` : `#${agent}/${encodeURIComponent(id)}`;
  }, []);
  return [place, go];
}

/** Opens a HAVIP and closes it again, by mouse and keyboard; the focus goes back to where it came from. */
function useNavigation(place: Place, go: (place: Place) => void, search: { readonly current: HTMLInputElement | null }) {
  const came = useRef<HTMLElement | null>(null);
  const back = useRef<HTMLElement | null>(null);
  const now = useRef(place);
  now.current = place;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select, dialog *');
      if (event.key === '/' && !isTyping) {
        event.preventDefault();
        search.current?.focus();
      } else if (event.key === 'Escape' && !isTyping) close();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const open = useCallback((of: number, name: string) => {
    if (document.activeElement instanceof HTMLElement) came.current = document.activeElement;
    go({ agent: of, id: name });
  }, []);
  const close = useCallback(() => {
    if (now.current.id === null) return;
    back.current = came.current;
    go({ agent: now.current.agent, id: null });
  }, []);
  // Once it is closed: as long as it is there it may take the focus itself.
  useEffect(() => {
    if (place.id !== null || back.current === null) return;
    if (back.current.isConnected) back.current.focus();
    back.current = null;
  }, [place.id]);
  return { open, close };
}

function useTitle(hosts: readonly Host[], hostName: string | null): void {
  const bad = hosts.reduce((sum, { contested }) => sum + contested.length, 0);
  useEffect(() => {
    document.title = `${bad > 0 ? `(${bad} contested) ` : ''}HAVIPs${hosts.length === 1 && hostName !== null ? ` of ${hostName}` : ''}`;
  }, [bad, hostName, hosts.length]);
}

export function App({ about }: { readonly about: About }) {
  const nowMs = useClock();
  const [place, go] = usePlace();
  const { agent, id } = place;
  const [state, setState] = useState<string | null>(null);
  const [text, q, setText] = useSearch();
  const [sort, setSort] = useState('id');
  const [isLive, setLive] = useState(true);
  const [wish, setWish] = useState<Wish | null>(null);
  const [said, setSaid] = useState('');
  const [fresh, mark] = useFresh();
  const [changed, tick] = useTicks();
  const [changedOne, tickOne] = useState(0);
  const { hosts, change } = useHosts(about.agents, changed);
  const { pages, trouble, more, again, replace } = usePages(agent, { q, state, sort }, changed);
  const ports = usePorts(agent, changed);
  const around = useSurroundings(agent, changed);
  const whole = useHavip(agent, id, changedOne);
  const search = useRef<HTMLInputElement>(null);
  const now = useRef(place);
  now.current = place;
  useEffect(() => {
    const touched = (name: string, isIt: boolean) => {
      tick();
      if (isIt) tickOne((before) => before + 1);
      mark(name);
    };
    return listen({
      event: (of, event) => change(of, ({ events }) => ({ events: [...events, event].slice(-EVENTS) })),
      havip: (of, havip) => {
        if (of === now.current.agent && 'address' in havip) replace(havip);
        const isShown = of === now.current.agent && havip.id === now.current.id;
        if (of === now.current.agent) touched(havip.id, isShown && 'address' in havip);
        else tick();
        if (!isShown || 'address' in havip) return;
        setSaid(`${havip.id} is released`);
        go({ agent: of, id: null });
      },
      reset: () => {
        tick();
        tickOne((before) => before + 1);
      },
      away: (of, why) => change(of, () => ({ away: why })),
      live: setLive,
    });
  }, []);

  const { open, close } = useNavigation(place, go, search);
  useEffect(() => {
    if (id !== null) document.querySelector<HTMLElement>('.detail h2')?.focus();
  }, [id, whole === null]);

  const host = hosts[agent];
  const hostName = host?.status?.host ?? null;
  useTitle(hosts, hostName);
  const subnets = useMemo(
    () => [...new Set([...ports.map(({ subnet }) => subnet), ...pages.rows.map(({ subnet }) => subnet)])].toSorted(),
    [ports, pages],
  );
  const onLook = useCallback((page: number) => void again(page), [again]);
  const onMore = useCallback(() => void more(), [more]);
  const onChoose = useCallback((name: string) => open(now.current.agent, name), []);
  const act = useCallback((what: 'release' | 'unbind', havip: HavipView) => setWish({ act: what, havip }), []);
  const done = (name: string | null, text: string) => {
    setWish(null);
    setSaid(text);
    tick();
    // What is released is not read again.
    if (name !== null) tickOne((before) => before + 1);
    go({ agent, id: name });
  };

  return html`<div class=${`page ${id === null ? '' : 'open'}`}>
    <${Top}
      ...${{ about, hosts, agent, isLive, text, setText, search }}
      onHost=${(of: number) => go({ agent: of, id: null })}
      onAllocate=${() => setWish({ act: 'allocate' })}
    />
    <${Tiles} totals=${host?.totals ?? null} chosen=${state} onChoose=${setState} />
    <${Alarms} hosts=${hosts} isLive=${isLive} onChoose=${open} />
    <p class="said" role="status">${said}</p>
    <main>
      <div class="left">
        ${trouble !== null && html`<p class="bad" role="alert">${trouble}</p>`}
        <${List} ...${{ pages, host: hostName, nowMs, chosen: id, sort, fresh, onChoose, onMore, onLook }} onSort=${setSort} />
        <${Legend} />
        <div class="below">
          ${host?.status !== undefined && host.status !== null && html`<${Drops} status=${host.status} />`}
          <${Ports} ports=${ports} />
        </div>
        <${Around} ...${around} nowMs=${nowMs} onChoose=${onChoose} />
      </div>
      <aside class="right">
        ${
          id === null
            ? html`<${Recent} events=${host?.events ?? []} nowMs=${nowMs} onChoose=${onChoose} />`
            : html`<${Detail}
                ...${{ whole, agent, id, host: hostName, nowMs }}
                onClose=${close}
                onAct=${about.writes ? act : null}
              />`
        }
      </aside>
    </main>
    <footer class="bottom dim">${about.writes ? 'Writes are said in the agent’s log, with who asked.' : about.why}</footer>
    ${wish !== null && html`<${Dialog} wish=${wish} agent=${agent} host=${hostName ?? ''} subnets=${subnets} onDone=${done} onCancel=${() => setWish(null)} />`}
  </div>`;
}

interface TopProps {
  readonly about: About;
  readonly hosts: readonly Host[];
  readonly agent: number;
  readonly isLive: boolean;
  readonly text: string;
  readonly setText: (text: string) => void;
  readonly search: { current: HTMLInputElement | null };
  readonly onHost: (agent: number) => void;
  readonly onAllocate: () => void;
}

function Top({ about, hosts, agent, isLive, text, setText, search, onHost, onAllocate }: TopProps) {
  const status = hosts[agent]?.status ?? null;
  return html`<header class="top">
    <h1>HAVIPs</h1>
    <${Hosts} hosts=${hosts} chosen=${agent} onChoose=${onHost} />
    <p class="what">
      ${status !== null && `${status.driver}, ${status.mode}, ${status.version}`}
      <span class=${isLive ? 'live' : 'bad'}>${isLive ? 'live' : 'not live'}</span>
      ${!about.writes && html`<span class="dim" title=${about.why ?? ''}>read-only</span>`}
    </p>
    <label class="search"
      ><span class="hidden">Search HAVIPs</span>
      <input
        ref=${search}
        type="search"
        placeholder="HAVIP, address, instance"
        value=${text}
        onInput=${({ target }: InputEvent) => target instanceof HTMLInputElement && setText(target.value)}
        aria-keyshortcuts="/"
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
    ${about.writes && html`<button type="button" class="main" onClick=${onAllocate}>Allocate …</button>`}
  </header>`;
}

function Legend() {
  return html`<p class="legend dim">
    ${PHASES.map((name) => html`<span><i class=${`p-${name}`}></i>${name}</span>`)}
    <span>widths by the square root of the time</span>
  </p>`;
}
