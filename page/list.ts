/**
 * The list: pages of the agent's as one scrolls, of which only what is on the screen is in the document. A page that is looked at is read again
 * every few seconds, a HAVIP that changes is put in its place at once.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.ts';
import { age, count, duration, since } from './format.ts';
import { get, type HavipPage, type HavipView } from './api.ts';
import { Bar, totalOf } from './phases.ts';
import { placeOf, stateOf, Word } from './state.ts';

export interface Query {
  readonly q: string;
  readonly state: string | null;
  readonly sort: string;
}

const LIMIT = 100;
const AGAIN_MS = 5000;
/** Rows beyond the edges of the screen. */
const SPARE = 12;

class Pages {
  readonly pages: HavipPage[];
  constructor(pages: HavipPage[] = []) {
    this.pages = pages;
  }
  get rows(): HavipView[] {
    return this.pages.flatMap(({ havips }) => [...havips]);
  }
  get next(): string | null {
    return this.pages.at(-1)?.next ?? null;
  }
  put(index: number, page: HavipPage): Pages {
    return new Pages(this.pages.with(index, page));
  }
  replace(havip: HavipView): Pages {
    const index = this.pages.findIndex(({ havips }) => havips.some(({ id }) => id === havip.id));
    const page = this.pages[index];
    if (page === undefined) return this;
    return this.put(index, { ...page, havips: page.havips.map((one) => (one.id === havip.id ? havip : one)) });
  }
}

function pathOf({ q, state, sort }: Query, after: string | null): string {
  const parameters = new URLSearchParams({ limit: String(LIMIT), sort });
  if (q !== '') parameters.set('q', q);
  if (state !== null) parameters.set('state', state);
  if (after !== null) parameters.set('after', after);
  return `havips?${parameters.toString()}`;
}

/** Of one agent, for a query. @param changed counts up when all is to be read again */
export function usePages(agent: number, query: Query, changed: number) {
  const [pages, setPages] = useState(new Pages());
  const [trouble, setTrouble] = useState<string | null>(null);
  const asked = useRef({ loading: false, generation: 0 });
  const { q, state, sort } = query;
  const load = useCallback(
    async (index: number, after: string | null, isFirst = false) => {
      const { generation } = asked.current;
      try {
        const page = await get<HavipPage>(agent, pathOf({ q, state, sort }, after));
        if (generation !== asked.current.generation) return;
        setTrouble(null);
        setPages((before) =>
          !isFirst && index < before.pages.length ? before.put(index, page) : new Pages([...before.pages.slice(0, index), page]),
        );
      } catch (error) {
        if (generation !== asked.current.generation) return;
        if (isFirst) setPages(new Pages());
        setTrouble(error instanceof Error ? error.message : String(error));
      }
    },
    [agent, q, state, sort],
  );
  useEffect(() => setPages(new Pages()), [agent]);
  // What was found stays until there is something else: who is in a row that is found again stays there.
  useEffect(() => {
    asked.current.generation++;
    void load(0, null, true);
  }, [load]);
  const current = useRef(pages);
  current.current = pages;
  const again = useCallback(
    async (index: number) => load(index, index === 0 ? null : (current.current.pages[index - 1]?.next ?? null)),
    [load],
  );
  useEffect(() => {
    if (changed > 0) void again(0);
  }, [changed]);
  const more = useCallback(async () => {
    const { next } = current.current;
    if (next === null || asked.current.loading) return;
    asked.current.loading = true;
    await load(current.current.pages.length, next);
    asked.current.loading = false;
  }, [load]);
  const replace = useCallback((havip: HavipView) => setPages((before) => before.replace(havip)), []);
  return { pages, trouble, more, again, replace };
}

interface ListProps {
  readonly pages: Pages;
  readonly host: string | null;
  readonly nowMs: number;
  readonly chosen: string | null;
  readonly sort: string;
  readonly fresh: ReadonlySet<string>;
  readonly onSort: (sort: string) => void;
  readonly onChoose: (id: string) => void;
  readonly onMore: () => void;
  readonly onLook: (page: number) => void;
}

const COLUMNS: readonly (readonly [name: string, title: string, sort: string | null])[] = [
  ['id', 'HAVIP', 'id'],
  ['address', 'Address', 'address'],
  ['state', 'State', null],
  ['holder', 'Holder', null],
  ['since', 'Since', 'since'],
  ['seen', 'Seen', null],
  ['failovers', 'Failovers', 'failovers'],
  ['last', 'Last failover', null],
];

export function List({ pages, host, nowMs, chosen, sort, fresh, onSort, onChoose, onMore, onLook }: ListProps) {
  const rows = pages.rows;
  const matched = pages.pages[0]?.matched ?? 0;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ from: 0, to: 40, height: 34 });
  const look = useCallback(() => {
    const { current } = box;
    if (current === null) return;
    const height = Number.parseFloat(getComputedStyle(current).getPropertyValue('--row')) || 34;
    const from = Math.max(0, Math.floor(current.scrollTop / height) - SPARE);
    const to = Math.ceil((current.scrollTop + current.clientHeight) / height) + SPARE;
    setView((before) => (before.from === from && before.to === to && before.height === height ? before : { from, to, height }));
  }, []);
  useLayoutEffect(() => {
    look();
    addEventListener('resize', look);
    return () => removeEventListener('resize', look);
  }, [rows.length]);
  useEffect(() => {
    if (pages.next !== null && view.to > rows.length - LIMIT / 2) onMore();
  }, [view.to, rows.length, pages.next]);
  const page = Math.floor((view.from + SPARE) / LIMIT);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && onLook(page), AGAIN_MS);
    return () => clearInterval(timer);
  }, [page, onLook]);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -1e9, End: 1e9 }[event.key];
    const focused = document.activeElement?.getAttribute('data-id');
    const at = rows.findIndex(({ id }) => id === focused);
    if (step === undefined || at < 0) return;
    event.preventDefault();
    const to = Math.min(rows.length - 1, Math.max(0, at + step));
    const { current } = box;
    if (current === null) return;
    const top = to * view.height;
    if (top < current.scrollTop) current.scrollTop = top;
    else if (top + view.height > current.scrollTop + current.clientHeight - 34)
      current.scrollTop = top + view.height - current.clientHeight + 34;
    look();
    const id = rows[to]?.id ?? '';
    requestAnimationFrame(() =>
      current.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: true }),
    );
  };
  const shown = rows.slice(view.from, view.to);
  const first = rows.some(({ id }) => id === chosen) ? chosen : (rows[view.from]?.id ?? null);
  return html`<div
    class="list"
    ref=${box}
    role="grid"
    aria-label="HAVIPs"
    aria-rowcount=${matched + 1}
    aria-colcount=${COLUMNS.length}
    onScroll=${look}
    onKeyDown=${move}
  >
    <div class="row head" role="row" aria-rowindex="1">
      ${COLUMNS.map(([name, title, by]) => Heading(name, title, by, sort, onSort))}
    </div>
    <div class="rows" role="rowgroup" style=${{ height: `${rows.length * view.height}px` }}>
      ${shown.map(
        (havip, i) =>
          html`<${Row}
            key=${havip.id}
            ...${{ havip, host, nowMs, index: view.from + i, top: (view.from + i) * view.height }}
            isChosen=${havip.id === chosen}
            isFirst=${havip.id === first}
            isFresh=${fresh.has(havip.id)}
            onChoose=${onChoose}
          />`,
      )}
    </div>
    <p class="foot dim" role="status">
      ${matched === 0 ? 'No HAVIP matches.' : `${count(rows.length)} of ${count(matched)}${pages.next === null ? '' : ', more as you scroll'}`}
    </p>
  </div>`;
}

function Heading(name: string, title: string, by: string | null, sort: string, onSort: (sort: string) => void) {
  if (by === null) return html`<span class=${`c-${name}`} role="columnheader">${title}</span>`;
  const isUp = sort === by;
  const isDown = sort === `-${by}`;
  const direction = isUp ? 'ascending' : isDown ? 'descending' : 'none';
  return html`<span class=${`c-${name}`} role="columnheader" aria-sort=${direction}
    ><button type="button" onClick=${() => onSort(isUp ? `-${by}` : by)}>
      ${title}<i aria-hidden="true">${isUp ? '↑' : isDown ? '↓' : ''}</i>
    </button></span
  >`;
}

interface RowProps {
  readonly havip: HavipView;
  readonly host: string | null;
  readonly nowMs: number;
  readonly index: number;
  readonly top: number;
  readonly isChosen: boolean;
  readonly isFirst: boolean;
  readonly isFresh: boolean;
  readonly onChoose: (id: string) => void;
}

function Row({ havip, host, nowMs, index, top, isChosen, isFirst, isFresh, onChoose }: RowProps) {
  const { id, address, holder, lastFailover, lastSeenAgoMs, failovers } = havip;
  const total = lastFailover === null ? null : totalOf(lastFailover.phasesMs);
  const open = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    onChoose(id);
  };
  return html`<div
    class=${`row ${isChosen ? 'chosen' : ''} ${isFresh ? 'fresh' : ''} ${holder === null && failovers === 0 ? 'idle' : ''}`}
    role="row"
    data-id=${id}
    aria-rowindex=${index + 2}
    aria-selected=${isChosen}
    tabindex=${isFirst ? 0 : -1}
    style=${{ transform: `translateY(${top}px)` }}
    onClick=${() => onChoose(id)}
    onKeyDown=${open}
  >
    <span class="c-id" role="gridcell" title=${id}>${id}</span>
    <span class="c-address" role="gridcell">${address}</span>
    <span class="c-state" role="gridcell"><${Word} state=${stateOf(havip, host)} /></span>
    <span class="c-holder" role="gridcell" title=${placeOf(havip)}
      >${holder === null ? html`<span class="dim">nobody</span>` : html`${holder.instance} <small>${holder.host === host ? holder.interface : (holder.host ?? holder.interface)}</small>`}</span
    >
    <span class="c-since" role="gridcell">${since(havip.since, nowMs)}</span>
    <span class="c-seen" role="gridcell">${lastSeenAgoMs === null ? '–' : age(lastSeenAgoMs)}</span>
    <span class="c-failovers" role="gridcell">${failovers === 0 ? html`<span class="dim">0</span>` : count(failovers)}</span>
    <span class="c-last" role="gridcell">
      ${
        lastFailover === null
          ? html`<span class="dim">–</span>`
          : html`<${Bar} phases=${lastFailover.phasesMs} /><b>${total === null ? '' : duration(total)}</b
              ><small>${lastFailover.cause}</small>`
      }
    </span>
  </div>`;
}
