/**
 * The page in a real browser, of a real agent with real keepalived guests. `HAVIP_SCREENSHOTS=docs` keeps what it looked like. Needs root and
 * Chromium.
 */
import { mkdtempSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { withMany } from '../../native-fixtures/demo/console.ts';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import { forward, hasChromium, openBrowser, openPage, type Watched } from '../../native-fixtures/lab/browser.ts';
import { ConsoleProcess } from '../../native-fixtures/lab/console.ts';
import type { Keepalived } from '../../native-fixtures/lab/keepalived.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { EIP, Outside, withEip } from '../../native-fixtures/lab/outside.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';

const MANY = 2_000;
const SHOTS = process.env['HAVIP_SCREENSHOTS'] ?? mkdtempSync(join(tmpdir(), 'havip-console-'));
const LIMIT = { timeout: 30_000 };

interface Bound {
  readonly holder: { readonly instance: string } | null;
  readonly contested: boolean;
}

describe.skipIf(process.getuid?.() !== 0 || !hasChromium())('the console in Chromium (needs root and Chromium)', () => {
  let lab: Lab;
  let agent: AgentProcess;
  let outside: Outside;
  let console: ConsoleProcess;
  let browser: Browser;
  let forwarded: { readonly server: Server; readonly port: number };
  const holders = new Map<string, Keepalived>();
  const opened: Watched[] = [];

  const open = async (...args: Parameters<typeof openPage> extends [unknown, ...infer Rest] ? Rest : never) => {
    const watched = await openPage(browser, ...args);
    opened.push(watched);
    return watched.page;
  };
  const held = (by: string) =>
    agent.waitForApi<Bound>('/api/v1/havips/havip-1', `holder ${by}`, ({ holder }) => holder?.instance === by, 30_000);

  beforeAll(async () => {
    lab = await Lab.create();
    outside = await Outside.build(lab.name, [lab.host]);
    const config = lab.config((changed) => {
      withMany(changed, MANY);
      withEip(changed);
      changed.uplinks = [{ interface: 'up0', vpc: 'vpc-1' }];
    });
    agent = await lab.startAgent({ config });
    console = await ConsoleProcess.start({ agents: [lab.socket], unix: join(lab.directory, 'page.sock') });
    forwarded = await forward(join(lab.directory, 'page.sock'));
    for (const name of ['cvm-1', 'cvm-2']) {
      holders.set(name, await lab.guest(name).keepalived());
      if (name === 'cvm-1') await held('cvm-1');
    }
    browser = await openBrowser();
  });

  afterEach(async () => {
    const faults = opened.flatMap((one) => one.faults);
    for (const { page } of opened.splice(0)) await page.context().close();
    expect(faults).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    forwarded?.server.close();
    await console?.stop();
    await outside?.[Symbol.asyncDispose]();
    lab?.destroy();
  });

  it('loads, finds one of many, filters, and says that it is read-only over TCP', async () => {
    const page = await open(console.url);
    await page.getByText('2,003', { exact: true }).waitFor(LIMIT);
    await page.getByText('read-only', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: 'Allocate' }).count()).toBe(0);
    await page.getByRole('searchbox').fill('tenant-01234');
    await page.getByText('1 of 1', { exact: true }).waitFor(LIMIT);
    await page.getByRole('row', { name: /^tenant-01234 / }).waitFor();
    await page.getByRole('searchbox').fill('');
    await page
      .getByRole('button', { name: /\bbound$/ })
      .first()
      .click();
    await page.getByText('1 of 1', { exact: true }).waitFor(LIMIT);
  });

  it('reads on as one scrolls, with little in the document', async () => {
    const page = await open(console.url);
    const grid = page.getByRole('grid');
    for (let i = 0; i < 5; i++) {
      await grid.evaluate((list) => list.scrollTo(0, list.scrollHeight));
      await page.getByText(new RegExp(`^${(i + 2) * 100} of 2,003|^[3-9]00 of 2,003`)).waitFor(LIMIT);
    }
    expect(await page.getByRole('row').count()).toBeLessThan(80);
    expect(await grid.getAttribute('aria-rowcount')).toBe('2004');
  });

  it('shows a failover as it happens, by phase, without a reload', async () => {
    const page = await open(console.url);
    await page
      .getByRole('grid')
      .getByRole('row', { name: /^havip-1 / })
      .click();
    await page.getByText('cvm-1 tap7 on host-a').waitFor(LIMIT);
    await page.evaluate(() => Reflect.set(globalThis, 'loadedOnce', true));
    await holders.get('cvm-1')!.crash();
    await lab.guest('cvm-1').linkDown();
    await page.getByText('cvm-2 tap13 on host-a').waitFor(LIMIT);
    await page
      .getByText(/link-down, \d/)
      .first()
      .waitFor(LIMIT);
    expect(await page.getByRole('img', { name: /^detection .* s, announce .* ms, verdict .* ms/ }).count()).toBeGreaterThan(1);
    const widths = await page
      .locator('.detail .bar')
      .first()
      .locator('i')
      .evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().width));
    expect(Math.min(...widths)).toBeGreaterThanOrEqual(4);
    expect(await page.evaluate(() => Reflect.get(globalThis, 'loadedOnce') as unknown)).toBe(true);
    await lab.guest('cvm-1').forget(HAVIP);
    await lab.guest('cvm-1').linkUp();
    holders.set('cvm-1', await lab.guest('cvm-1').keepalived());
  });

  it('shows what is around the host: ways to others, and addresses outside with whom they lead to', async () => {
    const page = await open(console.url);
    const uplinks = page.getByRole('region', { name: 'Uplinks' });
    await uplinks.getByRole('row', { name: 'up0 vpc-1 absent members learn' }).waitFor(LIMIT);
    const eips = page.getByRole('region', { name: 'Public addresses' });
    await eips.getByRole('row', { name: `${EIP} eip-1 havip-1 cvm-2 host-a here` }).waitFor(LIMIT);
    await eips.getByRole('button', { name: 'havip-1' }).click();
    await page.getByRole('region', { name: 'HAVIP havip-1' }).getByText(EIP).waitFor(LIMIT);
    expect(await page.getByRole('region', { name: 'Hosts of the store' }).count()).toBe(0);
  });

  it('goes by the keyboard alone', async () => {
    const page = await open(console.url);
    await page.keyboard.press('/');
    await page.keyboard.type('havip-');
    await page.getByText('3 of 3').waitFor(LIMIT);
    const focused = () => page.evaluate<string>('document.activeElement.dataset.id ?? document.activeElement.textContent');
    for (let i = 0; i < 20 && (await focused()) !== 'havip-1'; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowDown');
    await expect.poll(focused).toBe('havip-2');
    await page.keyboard.press('Enter');
    await page.getByRole('region', { name: 'HAVIP havip-2' }).waitFor(LIMIT);
    await expect.poll(focused).toBe('havip-2');
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'What happened last' }).waitFor();
    await expect.poll(focused).toBe('havip-2');
  });

  it('allocates, and releases after it said what stops, through the unix socket', async () => {
    const watched = await openPage(browser, `http://127.0.0.1:${forwarded.port}/`);
    const { page } = watched;
    await page.getByRole('button', { name: 'Allocate' }).click();
    await page.getByLabel('Subnet').fill('subnet-b');
    await page.getByLabel('Name').fill('havip-new');
    await page.getByLabel('Members').fill('cvm-4');
    await page.getByRole('dialog').getByRole('button', { name: 'Allocate' }).click();
    await page.getByText(/^havip-new is allocated: 172\.17\.32\.\d+$/).waitFor(LIMIT);
    await page.getByRole('region', { name: 'HAVIP havip-new' }).waitFor(LIMIT);
    await page.getByRole('button', { name: 'Release' }).click();
    await page.getByText('Nobody holds it, so no traffic stops now.').waitFor();
    await page.getByRole('button', { name: 'Release havip-new' }).click();
    await page.getByText('havip-new is released').waitFor(LIMIT);
    await page
      .getByRole('grid')
      .getByRole('row', { name: /^havip-1 / })
      .click();
    await page.getByRole('button', { name: 'Unbind' }).click();
    await page
      .getByText(`cvm-2 on host-a holds it now. Traffic to ${HAVIP} stops at once, until a member announces it anew.`)
      .waitFor(LIMIT);
    await page.keyboard.press('Escape');
    const audit = agent.process.stdout.filter((line) => line.includes('"audit":true'));
    expect(audit.filter((line) => line.includes('root (uid 0)')).length).toBe(2);
    await page.context().close();
    // It may ask once more for what it shows and was just released; the browser itself notes that.
    expect(watched.faults.filter((fault) => !/status of 404/.test(fault))).toEqual([]);
  });

  it('says what is refused, in the dialog', async () => {
    const watched = await openPage(browser, `http://127.0.0.1:${forwarded.port}/`);
    const { page } = watched;
    await page.getByRole('button', { name: 'Allocate' }).click();
    await page.getByLabel('Subnet').fill('subnet-b');
    await page.getByRole('dialog').getByLabel('Address').fill('172.17.32.1');
    await page.getByRole('dialog').getByRole('button', { name: 'Allocate' }).click();
    await page
      .getByRole('alert')
      .getByText(/gateway/)
      .waitFor(LIMIT);
    await page.context().close();
    // The browser itself notes each answer that is no 2xx.
    expect(watched.faults.filter((fault) => !/status of 4\d\d/.test(fault))).toEqual([]);
  });

  it('looks well, light and dark, wide and narrow', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      for (const width of [1400, 360]) {
        const page = await open(console.url, { width, height: width === 360 ? 760 : 900, scheme });
        await page.getByText('2,003', { exact: true }).waitFor(LIMIT);
        if (width === 1400)
          await page
            .getByRole('grid')
            .getByRole('row', { name: /^havip-1 / })
            .click();
        await page.getByText(width === 1400 ? 'VRRP as heard' : 'What happened last').waitFor(LIMIT);
        const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
        expect(wide).toBeLessThanOrEqual(width);
        await setTimeout(300);
        await page.screenshot({ path: join(SHOTS, `console-${scheme}${width === 360 ? '-narrow' : ''}.png`) });
      }
    }
  });

  it('alarms first when two want a HAVIP', async () => {
    const page = await open(console.url);
    const wires = ['cvm-1', 'cvm-2'].map((name) => lab.guest(name));
    const fighting = new AbortController();
    const fight = (async () => {
      for (let i = 0; !fighting.signal.aborted && i < 100; i++)
        for (const guest of wires) {
          await guest.exec(['arping', '-q', '-c', '1', '-w', '1', '-A', '-I', 'eth0', '-s', HAVIP, HAVIP]).catch(() => {});
          await setTimeout(150);
        }
    })();
    try {
      await lab.guest('cvm-1').exec(['ip', 'addr', 'add', `${HAVIP}/32`, 'dev', 'eth0']);
      const alarm = page.getByRole('alert', { name: 'Alarms' });
      await alarm.getByText('contested').waitFor({ timeout: 60_000 });
      await alarm.getByRole('button', { name: 'havip-1' }).click();
      await page.getByRole('heading', { name: 'Two want it' }).waitFor(LIMIT);
      expect(await page.title()).toContain('contested');
    } finally {
      fighting.abort();
      await fight;
    }
  });

  it('leaves the agents alone when it is killed, and comes back by itself', async () => {
    const page = await open(console.url);
    const before = await agent.api<{ epoch: number }>('/api/v1/havips/havip-2');
    await console.process.stop('SIGKILL');
    opened.splice(0);
    await page.getByText('the console does not answer').waitFor(LIMIT);
    expect(await agent.api<{ epoch: number }>('/api/v1/havips/havip-2')).toMatchObject({ epoch: before.epoch });
    expect((await agent.get('/-/ready')).status).toBe(200);
    await page.context().close();
  });
});
