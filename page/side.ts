/** What is about the host and no HAVIP of it: ports, drops by reason, what happened last. */
import { html } from './html.ts';
import { clock, count, told } from './format.ts';
import type { EventView, PortView, StatusView } from './api.ts';

export function Drops({ status }: { readonly status: StatusView }) {
  const drops = Object.entries(status.drops).sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...drops.map(([, frames]) => frames));
  return html`<section class="drops">
    <h3>Dropped, by reason <small>${count(status.guardDropped)} by the kernel</small></h3>
    ${drops.length === 0 && html`<p class="dim">Nothing was dropped since the agent started.</p>`}
    <ul>
      ${drops.map(
        ([reason, frames]) =>
          html`<li>
            <span>${reason}</span>
            <i style=${{ width: `${Math.max(1, (Math.log1p(frames) / Math.log1p(most)) * 100)}%` }}></i>
            <b>${count(frames)}</b>
          </li>`,
      )}
    </ul>
  </section>`;
}

export function Ports({ ports }: { readonly ports: readonly PortView[] }) {
  const MOST = 200;
  const bad = ports.filter(({ state }) => state !== 'captured').length;
  const sorted = ports.toSorted((a, b) => Number(a.state === 'captured') - Number(b.state === 'captured'));
  return html`<section class="ports">
    <h3>Ports <small>${count(ports.length - bad)} of ${count(ports.length)} captured</small></h3>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Port</th>
            <th scope="col">Instance</th>
            <th scope="col">Subnet</th>
            <th scope="col">State</th>
            <th scope="col">Accepted</th>
            <th scope="col">Dropped</th>
          </tr>
        </thead>
        <tbody>
          ${sorted.slice(0, MOST).map((port) => {
            const { passed, dropped } = framesOf(port);
            return html`<tr>
              <td>${port.interface}</td>
              <td>${port.instance}</td>
              <td>${port.subnet}</td>
              <td class=${port.state === 'captured' ? '' : 'warn'}>${port.state}</td>
              <td>${count(passed)}</td>
              <td class=${dropped > 0 ? 'bad' : 'dim'}>${count(dropped)}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
    ${ports.length > MOST && html`<p class="dim">and ${count(ports.length - MOST)} more: \`havip-agent ports\` lists them</p>`}
  </section>`;
}

const ACCEPTED = new Set(['own-address', 'probe', 'havip-claim', 'vrrp-advert', 'vrrp-resign', 'rarp-announce', 'carp-advert']);

function framesOf({ verdicts = {} }: PortView): { passed: number; dropped: number } {
  const sum = { passed: 0, dropped: 0 };
  for (const [reason, frames] of Object.entries(verdicts)) sum[ACCEPTED.has(reason) ? 'passed' : 'dropped'] += frames;
  return sum;
}

export function Recent({
  events,
  nowMs,
  onChoose,
}: {
  readonly events: readonly EventView[];
  readonly nowMs: number;
  readonly onChoose: (id: string) => void;
}) {
  return html`<section class="recent">
    <h3>What happened last</h3>
    ${events.length === 0 && html`<p class="dim">Nothing yet: it appears here as it happens.</p>`}
    <ol class="timeline" aria-live="polite">
      ${events.toReversed().map(
        ({ seq, at, kind, havip, text }) =>
          html`<li key=${seq} class=${`k-${kind}`}>
            <time datetime=${at} title=${at}>${clock(at, nowMs)}</time>
            <div>
              <b>${kind}</b>${' '}<button type="button" class="link" onClick=${() => onChoose(havip)}>${havip}</button
              >${' '}${told(kind, text)}
            </div>
          </li>`,
      )}
    </ol>
  </section>`;
}
