/** Allocate, release and unbind: a dialog each, that says what will stop before it does. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.ts';
import { type HavipView, write } from './api.ts';

export type Wish = { readonly act: 'allocate' } | { readonly act: 'release' | 'unbind'; readonly havip: HavipView };

interface DialogProps {
  readonly wish: Wish;
  readonly agent: number;
  readonly host: string;
  readonly subnets: readonly string[];
  /** @param id of the HAVIP that there is now; null: none. @param said for people */
  readonly onDone: (id: string | null, said: string) => void;
  readonly onCancel: () => void;
}

interface Allocated {
  readonly id: string;
  readonly address: string;
}

export function Dialog({ wish, agent, host, subnets, onDone, onCancel }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [why, setWhy] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const key = useRef(crypto.randomUUID());
  useEffect(() => dialog.current?.showModal(), []);
  const act = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    setBusy(true);
    setWhy(null);
    try {
      if (wish.act === 'allocate') {
        const { id, address } = await write<Allocated>(agent, 'POST', 'havips', key.current, wishOf(form));
        onDone(id, `${id} is allocated: ${address}`);
      } else {
        const path = `havips/${encodeURIComponent(wish.havip.id)}`;
        if (wish.act === 'release') await write(agent, 'DELETE', path, key.current);
        else await write(agent, 'POST', `${path}/unbind`, key.current);
        onDone(
          wish.act === 'release' ? null : wish.havip.id,
          `${wish.havip.id} is ${wish.act === 'release' ? 'released' : 'unbound'}`,
        );
      }
    } catch (error) {
      // What was refused is another wish when it is changed.
      key.current = crypto.randomUUID();
      setWhy(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return html`<dialog ref=${dialog} onClose=${onCancel} aria-labelledby="wish">
    <form onSubmit=${act}>
      ${wish.act === 'allocate' ? html`<${Allocate} host=${host} subnets=${subnets} />` : html`<${Confirm} act=${wish.act} havip=${wish.havip} />`}
      <p class="refused" role="alert">${why}</p>
      <footer>
        <button type="button" onClick=${() => dialog.current?.close()}>Cancel</button>
        <button type="submit" class=${wish.act === 'allocate' ? 'main' : 'danger'} disabled=${isBusy}>
          ${wish.act === 'allocate' ? 'Allocate' : `${wish.act === 'release' ? 'Release' : 'Unbind'} ${wish.havip.id}`}
        </button>
      </footer>
    </form>
  </dialog>`;
}

function wishOf(form: HTMLFormElement): object {
  const data = new FormData(form);
  const text = (name: string) => {
    const value = data.get(name);
    return typeof value === 'string' ? value.trim() : '';
  };
  const members = text('members')
    .split(/[\s,]+/)
    .filter((one) => one !== '');
  return {
    subnet: text('subnet'),
    ...(text('id') !== '' && { id: text('id') }),
    ...(text('address') !== '' && { address: text('address') }),
    ...(members.length > 0 && { members }),
  };
}

function Allocate({ host, subnets }: { readonly host: string; readonly subnets: readonly string[] }) {
  return html`<h2 id="wish">Allocate a HAVIP at ${host}</h2>
    <label>Subnet <input name="subnet" required list="subnets" value=${subnets[0] ?? ''} autocomplete="off" autofocus /></label>
    <datalist id="subnets">${subnets.map((one) => html`<option value=${one}></option>`)}</datalist>
    <label>Name <input name="id" placeholder="one is made" autocomplete="off" /></label>
    <label>Address <input name="address" placeholder="the lowest free one" inputmode="decimal" autocomplete="off" /></label>
    <label>Members <input name="members" placeholder="every machine of the subnet" autocomplete="off" /></label>
    <p class="dim">Members may claim it, and nobody else; names with commas, at most 10.</p>`;
}

function Confirm({ act, havip }: { readonly act: 'release' | 'unbind'; readonly havip: HavipView }) {
  const { id, address, holder } = havip;
  const who = holder === null ? null : `${holder.instance} on ${holder.host ?? 'another host'}`;
  const stops =
    who === null
      ? 'Nobody holds it, so no traffic stops now.'
      : `${who} holds it now. Traffic to ${address} stops at once${act === 'unbind' ? ', until a member announces it anew' : ''}.`;
  return html`<h2 id="wish">${act === 'release' ? 'Release' : 'Unbind'} ${id}, ${address}?</h2>
    <p><b>${stops}</b></p>
    <p>
      ${
        act === 'release'
          ? 'Nobody may claim or use the address after that, and it may be allocated to somebody else.'
          : 'The switch no longer points at anybody. Who announces it next, as a member may at any time, holds it.'
      }
    </p>`;
}
