/** The head of the page: hosts, tiles, alarms. */
import { html } from './html.ts';
import { count } from './format.ts';
import type { Host } from './hosts.ts';
import type { HavipPage } from './api.ts';

const TILES: readonly (readonly [state: keyof HavipPage['totals'] | null, title: string])[] = [
  [null, 'all'],
  ['bound', 'bound'],
  ['unbound', 'unbound'],
  ['contested', 'contested'],
  ['silent', 'silent'],
  ['elsewhere', 'elsewhere'],
];

interface TilesProps {
  readonly totals: HavipPage['totals'] | null;
  readonly chosen: string | null;
  readonly onChoose: (state: string | null) => void;
}

export function Tiles({ totals, chosen, onChoose }: TilesProps) {
  const all = totals === null ? null : totals.bound + totals.unbound;
  return html`<nav class="tiles" aria-label="Filter by state">
    ${TILES.map(([state, title]) => {
      const value = state === null ? all : (totals?.[state] ?? null);
      const mood = value === null || value === 0 ? 'zero' : title;
      return html`<button
        type="button"
        class=${`tile t-${mood}`}
        aria-pressed=${chosen === state}
        onClick=${() => onChoose(state)}
      >
        <b>${value === null ? '–' : count(value)}</b><span>${title}</span>
      </button>`;
    })}
  </nav>`;
}

interface HostsProps {
  readonly hosts: readonly Host[];
  readonly chosen: number;
  readonly onChoose: (agent: number) => void;
}

/** One host in words; many to choose from. */
export function Hosts({ hosts, chosen, onChoose }: HostsProps) {
  const only = hosts.length === 1 ? hosts[0] : undefined;
  if (only !== undefined)
    return html`<p class="host"><b>${nameOf(only)}</b> <span class=${moodOf(only)}>${wordOf(only)}</span></p>`;
  return html`<nav class="hosts" aria-label="Hosts">
    ${hosts.map(
      (host, i) =>
        html`<button
          type="button"
          aria-pressed=${i === chosen}
          onClick=${() => onChoose(i)}
          title=${host.away ?? host.status?.reason ?? ''}
        >
          <b>${nameOf(host)}</b> <span class=${moodOf(host)}>${wordOf(host)}</span>
        </button>`,
    )}
  </nav>`;
}

function nameOf({ status, address }: Host): string {
  return status?.host ?? address;
}

function wordOf({ status, away, contested }: Host): string {
  if (away !== null) return 'away';
  if (status === null) return '…';
  if (contested.length > 0) return `${contested.length} contested`;
  return status.ready ? 'ready' : 'not ready';
}

function moodOf(host: Host): string {
  if (host.away !== null || host.contested.length > 0) return 'bad';
  return host.status !== null && !host.status.ready ? 'warn' : 'good';
}

interface AlarmsProps {
  readonly hosts: readonly Host[];
  readonly isLive: boolean;
  readonly onChoose: (agent: number, id: string) => void;
}

/** What somebody must look at, of all hosts; what an operator should know, of the same. */
export function Alarms({ hosts, isLive, onChoose }: AlarmsProps) {
  const several = hosts.length > 1;
  const at = (host: Host) => (several ? `${nameOf(host)}: ` : '');
  const alarms = [
    ...(isLive ? [] : [html`<li><b>not live</b> the console does not answer; what is shown may be old</li>`]),
    ...hosts.flatMap((host) =>
      host.away === null ? [] : [html`<li><b>away</b> ${at(host)}${host.away}; its switch goes on as it is</li>`],
    ),
    ...hosts.flatMap((host, agent) =>
      host.contested.map(
        (havip) =>
          html`<li>
            <b>contested</b>${' '}${at(host)}<button type="button" class="link" onClick=${() => onChoose(agent, havip.id)}>
              ${havip.id}
            </button>
            ${havip.address}
            <ul>
              ${havip.sides.map((side) => html`<li>${side}</li>`)}
            </ul>
          </li>`,
      ),
    ),
    ...hosts.flatMap((host) =>
      host.away === null && host.status !== null && !host.status.ready
        ? [html`<li><b>not ready</b> ${at(host)}${host.status.reason}</li>`]
        : [],
    ),
  ];
  const notes = hosts.flatMap((host) => [
    ...(host.status?.notes ?? []).map((note) => `${at(host)}${note}`),
    ...(host.status?.findings ?? []).map(({ about, text }) => `${at(host)}${about}: ${text}`),
  ]);
  return html`<div role="alert" aria-label="Alarms">
      ${
        alarms.length > 0 &&
        html`<ul class="alarm alarms">
          ${alarms}
        </ul>`
      }
    </div>
    ${
      notes.length > 0 &&
      html`<details class="notes">
        <summary>
          ${count(notes.length)} ${notes.length === 1 ? 'note' : 'notes'} for whoever runs
          ${several ? 'these hosts' : 'this host'}
        </summary>
        <ul>
          ${notes.map((note) => html`<li>${note}</li>`)}
        </ul>
      </details>`
    }`;
}
