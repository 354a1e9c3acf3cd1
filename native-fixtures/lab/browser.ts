/** Debian's Chromium without a screen, driven by playwright-core; notes what a page must not do. */
import { existsSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

export function hasChromium(): boolean {
  return existsSync(CHROMIUM);
}

export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
}

/** A page, and what it did that it should not. */
export interface Watched {
  readonly page: Page;
  /** Errors on its console, exceptions, requests to any other origin. */
  readonly faults: string[];
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

export async function openPage(
  browser: Browser,
  url: string,
  { width, height, scheme }: Look = { width: 1400, height: 900, scheme: 'light' },
): Promise<Watched> {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol !== 'data:' && protocol !== 'blob:' && origin !== new URL(url).origin) faults.push(`asks ${request.url()}`);
  });
  await page.goto(url);
  await page
    .getByRole('grid')
    .getByRole('row', { name: /^havip-1 / })
    .waitFor();
  return { page, faults };
}

/** What `ssh -L` does: a TCP port of this user's, of which each connection is one to the socket. Returns its port. */
export async function forward(socket: string): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((client) => {
    const there = connect(socket);
    for (const [one, other] of [
      [client, there],
      [there, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return { server, port: address.port };
}
