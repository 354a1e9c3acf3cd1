/**
 * What a claim takes while sixteen read the agent's stream and a page scrolls, by turns with nobody: from the sender's send(2) until another process
 * has read the kernel's announcement of the transaction, and the agent's own verdict and programming.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabProcess } from '../native-fixtures/lab/process.ts';
import { projectRoot } from '../native-fixtures/lab/project.ts';
import { beWitness } from '../native-fixtures/lab/witness.ts';
import type { Bench } from './bench.ts';
import { quantile } from './quantile.ts';
import { Takeovers } from './takeovers.ts';

const PAUSE_MS = 8;
/** As quickly as a page can ask who scrolls without end. */
const SCROLL_MS = 20;
const SETTLE_MS = 300;

interface Figures {
  readonly witnessUs: number[];
  readonly havips: number[];
}

export const bench: Bench = {
  name: 'readers',
  question: 'does a claim take longer while sixteen read the stream and a page scrolls?',
  async run({ small, print }) {
    beWitness();
    const [turns, claims] = small ? [1, 10] : [8, 150];
    using rig = await Takeovers.create(2 * turns * claims);
    const found = new Map<boolean, Figures>([false, true].map((isRead) => [isRead, { witnessUs: [], havips: [] }]));
    let [first, events, pages] = [0, 0, 0];
    for (let turn = 0; turn < turns; turn++)
      for (const isRead of [false, true]) {
        const havips = Array.from({ length: claims }, (_, i) => first + i);
        first += claims;
        for (const havip of havips) rig.claim(havip, 0);
        const readers = isRead ? await startReaders(rig.lab.socket) : null;
        await sleep(SETTLE_MS);
        const { witnessUs, havips: claimed } = found.get(isRead)!;
        for (const havip of havips) {
          await sleep(PAUSE_MS);
          const took = rig.claim(havip, 1);
          if (took === null) throw new Error(`readers: the claim of ${havip} was not taken`);
          witnessUs.push(took);
          claimed.push(havip);
        }
        const counted = readers === null ? null : await endReaders(readers);
        if (counted !== null && (counted.cut > 0 || counted.events < claims)) throw new Error('readers: events did not come');
        events += counted?.events ?? 0;
        pages += counted?.pages ?? 0;
      }
    const phases = await rig.failovers(2 * turns * claims);
    for (const [isRead, { witnessUs, havips }] of found) {
      const agentUs = havips.map((havip) => {
        const { verdict = 0, programming = 0 } = phases.get(havip) ?? {};
        return (verdict + programming) * 1000;
      });
      print(
        `  ${isRead ? 'sixteen readers and a page' : 'nobody                    '}  witness, us: ${row(witnessUs)}; agent, us: ${row(agentUs)}`,
      );
    }
    print(
      `  ${turns} turns of ${claims} claims each; readers had ${events} events, the page ${pages} pages of ${2 * turns * claims} HAVIPs`,
    );
    await rig.agent.stop();
  },
};

async function startReaders(socket: string): Promise<LabProcess> {
  const program = join(projectRoot(), 'dist/bench/page-readers.js');
  const readers = new LabProcess('readers', [process.execPath, program, socket, String(SCROLL_MS)]);
  await readers.line(/^reading$/);
  return readers;
}

async function endReaders(
  readers: LabProcess,
): Promise<{ readonly events: number; readonly pages: number; readonly cut: number }> {
  await sleep(SETTLE_MS);
  await readers.stop();
  return JSON.parse(readers.stdout.at(-1) ?? '') as { events: number; pages: number; cut: number };
}

function row(us: readonly number[]): string {
  const [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1].map((q) => Math.round(quantile(us, q)));
  return `p50 ${p50}  p90 ${p90}  p99 ${p99}  max ${max}`;
}
