/** What is around the host: the hosts that share its store, its ways to others, its addresses outside. Nothing of it where there is none. */
import { html } from './html.ts';
import { count, since } from './format.ts';
import { EIPS, type Surroundings } from './hosts.ts';

interface AroundProps extends Surroundings {
  readonly nowMs: number;
  readonly onChoose: (id: string) => void;
}

export function Around({ others, uplinks, eips, nowMs, onChoose }: AroundProps) {
  if (others.length + uplinks.length + eips.length === 0) return null;
  return html`<div class="around">
    ${others.length > 0 && Others(others, nowMs)} ${uplinks.length > 0 && Uplinks(uplinks)}
    ${eips.length > 0 && Eips(eips, onChoose)}
  </div>`;
}

function table(titles: readonly string[], rows: readonly unknown[]) {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${titles.map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function Others(others: Surroundings['others'], nowMs: number) {
  const rows = others.map(
    ({ id, here, vtep, version, startedAt }) =>
      html`<tr>
        <td>${id}${here && html` <small>this one</small>`}</td>
        <td>${vtep ?? '–'}</td>
        <td>${version}</td>
        <td>${since(startedAt, nowMs)}</td>
      </tr>`,
  );
  return html`<section aria-label="Hosts of the store">
    <h3>Hosts <small>${count(others.length)} with an agent</small></h3>
    ${table(['Host', 'Tunnel address', 'Version', 'Up'], rows)}
  </section>`;
}

function Uplinks(uplinks: Surroundings['uplinks']) {
  const rows = uplinks.map(
    ({ interface: name, vpc, state, trust, fdb }) =>
      html`<tr>
        <td>${name}</td>
        <td>${vpc}</td>
        <td class=${state === 'captured' ? '' : 'warn'}>${state}</td>
        <td>${trust}</td>
        <td>${fdb}</td>
      </tr>`,
  );
  return html`<section aria-label="Uplinks">
    <h3>Uplinks</h3>
    ${table(['Uplink', 'VPC', 'State', 'Believed', 'Table'], rows)}
  </section>`;
}

function Eips(eips: Surroundings['eips'], onChoose: AroundProps['onChoose']) {
  const here = eips.filter((eip) => eip.here).length;
  const rows = eips.slice(0, EIPS).map(
    ({ id, address, havip, holder, here: isHere }) =>
      html`<tr>
        <td>${address} <small>${id}</small></td>
        <td><button type="button" class="link" onClick=${() => onChoose(havip)}>${havip}</button></td>
        <td>
          ${holder === null ? html`<span class="dim">nobody</span>` : html`${holder.instance} <small>${holder.host ?? 'another host'}</small>`}
        </td>
        <td>${isHere ? 'here' : holder === null ? '–' : 'elsewhere'}</td>
      </tr>`,
  );
  return html`<section aria-label="Public addresses">
    <h3>Public addresses <small>${count(here)} of ${count(Math.min(eips.length, EIPS))} spoken for here</small></h3>
    ${table(['EIP', 'HAVIP', 'Leads to', 'Spoken for'], rows)}
    ${eips.length > EIPS && html`<p class="dim">and more: <code>/api/v1/eips</code> has them all</p>`}
  </section>`;
}
