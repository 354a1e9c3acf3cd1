/** A failover's phases as a bar. Widths go by the square root of the time: 3 s of detection beside 0.3 ms of programming leave both visible. */
import { html } from './html.ts';
import { duration } from './format.ts';
import type { FailoverView } from './api.ts';

/** In the order in which they pass; what an agent tells of beside them comes last. */
export const PHASES = ['application', 'detection', 'announce', 'verdict', 'programming', 'reachable', 'public'] as const;

const KNOWN: ReadonlySet<string> = new Set(PHASES);

type Phases = FailoverView['phasesMs'];

function partsOf(phases: Phases): { readonly name: string; readonly ms: number }[] {
  const known: Readonly<Record<string, number | undefined>> = { ...phases };
  const others = Object.keys(known).filter((name) => name !== 'total' && !KNOWN.has(name));
  return [...PHASES, ...others].flatMap((name) => {
    const ms = known[name];
    return ms === undefined ? [] : [{ name, ms }];
  });
}

export function totalOf(phases: Phases): number | null {
  const known: Readonly<Record<string, number | undefined>> = { ...phases };
  return known['total'] ?? null;
}

export function Bar({ phases }: { readonly phases: Phases }) {
  const parts = partsOf(phases);
  if (parts.length === 0) return html`<span class="dim">no phases seen</span>`;
  const label = parts.map(({ name, ms }) => `${name} ${duration(ms)}`).join(', ');
  return html`<span class="bar" role="img" aria-label=${label} title=${label}
    >${parts.map(({ name, ms }) => html`<i class=${`p-${name}`} style=${{ flexGrow: Math.max(0.05, Math.sqrt(ms)) }}></i>`)}</span
  >`;
}

/** Each phase with its time, as a table reads it. */
export function Phases({ phases }: { readonly phases: Phases }) {
  const total = totalOf(phases);
  return html`<dl class="phases">
    ${partsOf(phases).map(
      ({ name, ms }) =>
        html`<div>
          <dt><i class=${`p-${name}`}></i>${name}</dt>
          <dd>${duration(ms)}</dd>
        </div>`,
    )}
    ${
      total === null
        ? null
        : html`<div class="total">
            <dt>total</dt>
            <dd>${duration(total)}</dd>
          </div>`
    }
  </dl>`;
}
