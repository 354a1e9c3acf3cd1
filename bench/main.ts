/** `npm run bench [-- NAME...] [--small]`: runs the benches, one after the other. */
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import type { Bench } from './bench.ts';

/** Loaded when they run: some need libraries that others do not. */
const BENCHES: ReadonlyMap<string, () => Promise<{ readonly bench: Bench }>> = new Map([
  ['judge', () => import('./judge.ts')],
  ['replay', () => import('./replay.ts')],
  ['scale', () => import('./scale.ts')],
  ['repair', () => import('./repair.ts')],
  ['badday', () => import('./badday.ts')],
  ['start', () => import('./start.ts')],
  ['soak', () => import('./soak.ts')],
  ['bytes', () => import('./bytes.ts')],
  ['capture', () => import('./capture.ts')],
  ['churn', () => import('./churn.ts')],
  ['allocate', () => import('./allocate.ts')],
  ['eip', () => import('./eip.ts')],
  ['readers', () => import('./readers.ts')],
  ['page', () => import('./page.ts')],
  ['claim', () => import('./claim.ts')],
  ['amplify', () => import('./amplify.ts')],
  ['guard', () => import('./guard.ts')],
  ['group', () => import('./group.ts')],
  ['notice', () => import('./notice.ts')],
  ['living', () => import('./living.ts')],
  ['hung', () => import('./hung.ts')],
  ['failover', () => import('./failover.ts')],
  ['uplinks', () => import('./uplinks.ts')],
  ['hosts', () => import('./hosts.ts')],
  ['store', () => import('./store.ts')],
  ['scale-hosts', () => import('./scale-hosts.ts')],
]);

const { values, positionals } = parseArgs({ allowPositionals: true, options: { small: { type: 'boolean' } } });
const unknown = positionals.find((name) => !BENCHES.has(name));
if (unknown === undefined) await runAll(positionals.length > 0 ? positionals : [...BENCHES.keys()], values.small === true);
else {
  process.stderr.write(`bench: there is no bench "${unknown}"; one of ${[...BENCHES.keys()].join(', ')}\n`);
  process.exitCode = 2;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function runAll(names: readonly string[], small: boolean): Promise<void> {
  const [cpu] = cpus();
  print(
    `${cpus().length} x ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`,
  );
  for (const name of names) {
    const { bench } = await BENCHES.get(name)!();
    print(`\n${bench.name}: ${bench.question}`);
    await bench.run({ small, print });
  }
}
