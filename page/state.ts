/** What a HAVIP is in, as a word; its colour only repeats it. */
import { html } from './html.ts';
import type { HavipView } from './api.ts';

export type State = 'contested' | 'let go' | 'unbound' | 'elsewhere' | 'bound';

export function stateOf({ state, contested, letGo, holder }: HavipView, host: string | null): State {
  if (contested) return 'contested';
  if (letGo) return 'let go';
  if (state === 'unbound' || holder === null) return 'unbound';
  return host !== null && holder.host !== host ? 'elsewhere' : 'bound';
}

export function Word({ state }: { readonly state: State }) {
  return html`<span class=${`word s-${state.replace(' ', '-')}`}>${state}</span>`;
}

export function placeOf({ holder }: HavipView): string {
  if (holder === null) return '';
  return `${holder.interface} on ${holder.host ?? 'another host'}`;
}
