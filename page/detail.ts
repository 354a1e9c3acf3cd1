/** One HAVIP: who holds it, what happened to it, what is wrong with it. */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { html } from './html.ts';
import { age, clock, duration, since, told } from './format.ts';
import { type EventView, type FailoverView, get, type HavipView } from './api.ts';
import { Bar, Phases, totalOf } from './phases.ts';
import { placeOf, stateOf, Word } from './state.ts';

const AGAIN_MS = 5000;
const SHOWN = 30;

interface Whole {
  readonly havip: HavipView;
  readonly events: readonly EventView[];
  readonly failovers: readonly FailoverView[];
}

/** null: not read yet; a text: why it cannot be. @param changed counts up when it changed */
export function useHavip(agent: number, id: string | null, changed: number): Whole | string | null {
  const [whole, setWhole] = useState<Whole | string | null>(null);
  const read = useCallback(
    async (signal: AbortSignal) => {
      if (id === null) return;
      const name = encodeURIComponent(id);
      try {
        const [havip, events, failovers] = await Promise.all([
          get<HavipView>(agent, `havips/${name}`, signal),
          get<EventView[]>(agent, `events?limit=100&havip=${name}`, signal),
          get<FailoverView[]>(agent, `havips/${name}/failovers`, signal),
        ]);
        setWhole({ havip, events, failovers });
      } catch (error) {
        if (!signal.aborted) setWhole(error instanceof Error ? error.message : String(error));
      }
    },
    [agent, id],
  );
  useEffect(() => setWhole(null), [agent, id]);
  useEffect(() => {
    const ended = new AbortController();
    void read(ended.signal);
    const timer = setInterval(() => void read(ended.signal), AGAIN_MS);
    return () => {
      clearInterval(timer);
      ended.abort();
    };
  }, [read, changed]);
  return whole;
}

interface DetailProps {
  readonly whole: Whole | string | null;
  readonly agent: number;
  readonly id: string;
  readonly host: string | null;
  readonly nowMs: number;
  readonly onClose: () => void;
  /** null: this page does not write. */
  readonly onAct: ((act: 'release' | 'unbind', havip: HavipView) => void) | null;
}

export function Detail({ whole, agent, id, host, nowMs, onClose, onAct }: DetailProps) {
  const close = html`<button type="button" class="close" onClick=${onClose} aria-label="Close">Close</button>`;
  if (whole === null || typeof whole === 'string')
    return html`<section class="detail" aria-label=${id}>
      <header>
        <h2 tabindex="-1">${id}</h2>
        ${close}
      </header>
      <p class="dim">${whole ?? 'Reading …'}</p>
    </section>`;
  const { havip, events, failovers } = whole;
  return html`<section class="detail" aria-label=${`HAVIP ${id}`}>
    <header>
      <h2 tabindex="-1">${id}</h2>
      <span class="address">${havip.address}</span>
      <${Word} state=${stateOf(havip, host)} />
      ${close}
    </header>
    <${Held} havip=${havip} nowMs=${nowMs} />
    ${
      havip.contested &&
      html`<div class="alarm" role="alert">
        <h3>Two want it</h3>
        <ul>
          ${havip.sides.map((side) => html`<li>${side}</li>`)}
        </ul>
      </div>`
    }
    <${Findings} havip=${havip} />
    ${havip.lastFailover !== null && html`<${Last} failover=${havip.lastFailover} nowMs=${nowMs} />`}
    <${Vrrp} havip=${havip} />
    <${History} events=${events} failovers=${failovers} nowMs=${nowMs} />
    <footer>
      <a class="button" href=${`/agents/${agent}/api/v1/havips/${encodeURIComponent(id)}/record`} download=${`${id}.pcapng`}
        >Flight recorder</a
      >
      ${onAct !== null && html`<button type="button" onClick=${() => onAct('unbind', havip)}>Unbind …</button><button type="button" class="danger" onClick=${() => onAct('release', havip)}>Release …</button>`}
    </footer>
  </section>`;
}

function Held({ havip, nowMs }: { readonly havip: HavipView; readonly nowMs: number }) {
  const { holder, lastSeenAgoMs, successor, assist, epoch, vpc, subnet, pending } = havip;
  const eip = havip.eip ?? null;
  const facts: [string, unknown][] = [
    ['holder', holder === null ? 'nobody' : html`<b>${holder.instance}</b> ${placeOf(havip)}`],
    ['MAC', holder === null ? null : holder.mac],
    ['since', havip.since === null ? 'never bound' : `${clock(havip.since, nowMs)}, ${since(havip.since, nowMs)} ago`],
    ['last seen', lastSeenAgoMs === null ? null : lastSeenAgoMs < 1000 ? 'just now' : `${age(lastSeenAgoMs)} ago`],
    ['successor', successor ?? (holder === null ? null : 'nobody known')],
    ['waiting', pending],
    ['public', eip],
    ['assist', assist],
    ['switch', havip.letGo ? 'lets it go: something is wrong with the holder, and a member may be on another host' : null],
    ['subnet', `${subnet} of ${vpc}, epoch ${epoch}`],
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        value !== null &&
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

/** Refused claims stand apart: somebody may be trying something. */
function Findings({ havip: { findings } }: { readonly havip: HavipView }) {
  const refused = findings.filter(({ kind }) => kind === 'claim-refused' || kind === 'fenced');
  const others = findings.filter((one) => !refused.includes(one));
  const part = (title: string, list: typeof findings) =>
    list.length > 0 &&
    html`<h3>${title}</h3>
      <ul class="findings">
        ${list.map(({ kind, text }) => html`<li><b>${kind}</b>${' '}${text}</li>`)}
      </ul>`;
  return html`${part('Findings', others)}${part('Refused', refused)}`;
}

function Last({ failover, nowMs }: { readonly failover: FailoverView; readonly nowMs: number }) {
  const { at, from, to, cause, phasesMs, advice } = failover;
  return html`<h3>Last failover</h3>
    <p>${from} → <b>${to}</b>, ${cause}, ${clock(at, nowMs)}</p>
    <${Bar} phases=${phasesMs} />
    <${Phases} phases=${phasesMs} />
    ${typeof advice === 'string' && html`<p class="dim">${advice}</p>`}`;
}

function Vrrp({ havip: { evidence } }: { readonly havip: HavipView }) {
  if (evidence.length === 0) return null;
  const titles = ['Instance', 'Says', 'VRID', 'Prio', 'Every', 'Heard'];
  return html`<h3>VRRP as heard</h3>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            ${titles.map((title) => html`<th scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${evidence.map(
            ({ instance, interface: port, state, vrid, version, priority, intervalMs, unicast, lastAdvertAgoMs }) =>
              html`<tr>
                <td>${instance} <small>${port ?? ''}</small></td>
                <td>${state} <small>v${version}${unicast ? ' unicast' : ''}</small></td>
                <td>${vrid}</td>
                <td>${priority}</td>
                <td>${duration(intervalMs)}</td>
                <td>${lastAdvertAgoMs === null ? '–' : age(lastAdvertAgoMs)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

/** The newest first: events, and failovers that are too old to be among them. */
function History({
  events,
  failovers,
  nowMs,
}: {
  readonly events: readonly EventView[];
  readonly failovers: readonly FailoverView[];
  readonly nowMs: number;
}) {
  const oldest = events[0]?.at ?? '~';
  const older = failovers.filter(({ at }) => at < oldest);
  const all = [...older.map((one) => Object.assign({ kind: 'failover', text: '' }, one)), ...events].toReversed();
  return html`<h3>History <small>since the agent started</small></h3>
    ${all.length === 0 && html`<p class="dim">Nothing happened yet.</p>`}
    <ol class="timeline">
      ${all.slice(0, SHOWN).map(({ at, kind, text, from, to, cause, phasesMs }) => {
        const total = phasesMs === null ? null : totalOf(phasesMs);
        return html`<li class=${`k-${kind}`}>
          <time datetime=${at} title=${at}>${clock(at, nowMs)}</time>
          <div>
            <b>${kind}</b
            >${' '}${kind === 'failover' ? html`${from} → ${to} <small>${cause}${total === null ? '' : `, ${duration(total)}`}</small>` : told(kind, text)}
            ${kind === 'failover' && phasesMs !== null && html`<${Bar} phases=${phasesMs} />`}
          </div>
        </li>`;
      })}
    </ol>`;
}
