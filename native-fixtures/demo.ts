/**
 * `npm run demo [-- NAME]`: real guests, through this machine's own kernel. Exit 0 only if all that it tells was observed. `--json` prints one
 * document instead of the timeline.
 */
import { parseArgs } from 'node:util';
import { showConsole } from './demo/console.ts';
import { showDatabases } from './demo/db.ts';
import { runHostsDemo } from './demo/hosts.ts';
import { showLoadBalancers } from './demo/lb.ts';
import { showEip } from './demo/eip.ts';
import { tellStory } from './demo/story.ts';
import { Timeline } from './demo/timeline.ts';

/** What each observes; filled as it goes, so that a failure shows how far it came. */
const DEMOS: Readonly<
  Record<string, (timeline: Timeline, observed: Record<string, unknown>, isBounded: boolean) => Promise<void>>
> = {
  failover: tellStory,
  console: showConsole,
  hosts: runHostsDemo,
  lb: showLoadBalancers,
  db: showDatabases,
  eip: showEip,
};

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
const [name = 'failover'] = positionals;
const demo = DEMOS[name];
const observed: Record<string, unknown> = {};

if (demo === undefined) {
  process.stderr.write(`demo: there is no "${name}"; one of ${Object.keys(DEMOS).join(', ')}\n`);
  process.exitCode = 2;
} else
  try {
    await demo(new Timeline({ silent: values.json }), observed, values.json);
    if (values.json) process.stdout.write(`${JSON.stringify({ ok: true, ...observed })}\n`);
  } catch (error) {
    const { message } = error as Error;
    if (values.json) process.stdout.write(`${JSON.stringify({ ok: false, error: message, ...observed })}\n`);
    process.stderr.write(`demo: ${message}\n`);
    process.exitCode = process.getuid?.() === 0 ? 1 : 3;
  }
