/** Starts the page. */
import { render } from 'preact';
import { about } from './api.ts';
import { App } from './app.ts';
import { html } from './html.ts';

const root = document.getElementById('page');
if (root === null) throw new Error('the document has no place for the page');

async function start(into: HTMLElement): Promise<void> {
  try {
    render(html`<${App} about=${await about()} />`, into);
  } catch (error) {
    render(html`<p class="bad" role="alert">The console does not answer: ${String(error)}. Again in a moment.</p>`, into);
    setTimeout(() => void start(into), 2000);
  }
}

void start(root);
