/**
 * Records the captures from real senders, each in a lab of its own; four at a time, since senders mostly wait.
 *
 *     node dist/native-fixtures/captures/record.js [FILE...]
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../lab/command.ts';
import { Lab } from '../lab/lab.ts';
import { projectRoot } from '../lab/project.ts';
import { enterCapture } from './catalogue.ts';
import { keepalivedScenarios } from './keepalived.ts';
import { otherScenarios } from './others.ts';
import { countFrames, record } from './recorder.ts';
import type { Scenario } from './scenario.ts';

const AT_ONCE = 4;
const directory = join(projectRoot(), 'native-fixtures/captures');
const packages = { keepalived: 'keepalived', arping: 'iputils-arping', ucarp: 'ucarp', frr: 'frr' };

const wanted = new Set(process.argv.slice(2));
const queue = [...keepalivedScenarios, ...otherScenarios].filter(({ file }) => wanted.size === 0 || wanted.has(file));
await Promise.all(Array.from({ length: AT_ONCE }, work));

async function work(): Promise<void> {
  for (let scenario = queue.shift(); scenario !== undefined; scenario = queue.shift()) {
    try {
      await recordScenario(scenario);
    } catch (error) {
      console.error(`${scenario.file}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
}

async function recordScenario({ file, shows, program, command: how, interfaces, expected, act }: Scenario): Promise<void> {
  await using lab = await Lab.create();
  const path = join(directory, file);
  await record(lab, interfaces, path, () => act(lab, (ms) => sleep(ms)));
  const frames = await countFrames(path);
  const recordedAt = new Date().toISOString();
  enterCapture(join(directory, 'captures.json'), {
    file,
    shows,
    origin: 'recorded',
    sender: await senderOf(program),
    command: how,
    recordedAt,
    interfaces,
    frames,
    expected,
  });
  console.log(`${file}: ${frames.total} frames`);
}

async function senderOf(program: Scenario['program']): Promise<string> {
  if (program === 'linux') return `Linux ${(await command(['uname', '-r'])).trim()}`;
  return (await command(['dpkg-query', '-W', '-f', '${Package} ${Version}', packages[program]])).trim();
}
