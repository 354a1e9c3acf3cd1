/**
 * `havip-agent port add|remove INTERFACE`: what hooks of hypervisors call. A port is a file in ports.d beside the configuration, named after
 * its interface; the agent watches the folder.
 */
import { mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { PortView } from '../api/types.ts';
import { codeOf, failureOf } from '../base/failure.ts';
import type { Mistake } from '../config/config.ts';
import { type Client, clientOf, HTTP_OPTION } from './client.ts';
import { CommandError, DONE, NO, readArgs, required, secondsOf } from './command.ts';
import type { Command, Io } from './command.ts';

const DEFAULT_CONFIG = '/etc/havip-agent/agent.yaml';
const POSITIONALS = [{ name: 'WHAT', choices: ['add', 'remove'] }, { name: 'INTERFACE' }];
const OPTIONS = {
  config: { type: 'string', value: 'FILE', description: `the configuration beside which ports.d is (default ${DEFAULT_CONFIG})` },
  instance: { type: 'string', value: 'NAME', description: 'of the machine' },
  subnet: { type: 'string', value: 'ID', description: 'that it is in' },
  mac: { type: 'string', value: 'MAC', description: 'of its interface, as the machine has it' },
  address: { type: 'string', multiple: true, value: 'ADDRESS', description: 'a fixed address of it; may be given several times' },
  wait: {
    type: 'string',
    value: 'SECONDS',
    bare: '5',
    description: 'until the running agent has taken it, 5 s or SECONDS at most: from then on the guard stands',
  },
  http: HTTP_OPTION,
} as const;

const LOOK_MS = 20;

export const command: Command = {
  name: 'port',
  summary: 'add or remove a port, as a file that the agent watches; for hooks',
  positionals: POSITIONALS,
  about:
    'Writes or removes a file in ports.d beside the configuration, which a running agent takes by itself and another one at its start. What would be refused is not written, and said.\nThe interface need not exist yet: the guard stands before it does. To add a port again puts the new one in its place; to remove one that is not there is no mistake.',
  options: OPTIONS,
  exits: { 0: 'done', 1: 'it would be refused, or was not taken in time', 2: 'wrong use', 3: 'no agent answers (with --wait)' },
  async run(args, io) {
    const { values, positionals } = readArgs(args, OPTIONS, POSITIONALS);
    const [what, name = ''] = positionals;
    if (/[/\0]|^\.{0,2}$/.test(name)) throw new CommandError('wrong-use', `"${name}" is not an interface name`);
    const seconds = secondsOf(values.wait, '--wait');
    const client = clientOf(values.http, io);
    const config = values.config ?? DEFAULT_CONFIG;
    const file = join(dirname(config), 'ports.d', `${name}.yaml`);
    if (what === 'remove') rmSync(file, { force: true });
    else {
      const { instance, subnet, mac, address: addresses = [] } = values;
      const port = {
        interface: name,
        instance: required(instance, '--instance'),
        subnet: required(subnet, '--subnet'),
        mac: required(mac, '--mac'),
        addresses,
      };
      if (!(await add(config, file, `${JSON.stringify({ ports: [port] })}\n`, client, io))) return NO;
    }
    if (seconds === null) return DONE;
    const taken = await untilTaken(client, name, what === 'add', seconds);
    if (!taken) io.stderr(`the agent has not taken it within ${seconds} s\n`);
    return taken ? DONE : NO;
  },
};

/** Whole or not at all; false: it would be refused. */
async function add(config: string, file: string, text: string, client: Client, io: Io): Promise<boolean> {
  const mistakes = (await askAgent(config, file, text, client)) ?? (await lookAtAll(config, file, text));
  if (mistakes.length > 0) {
    const { describeMistake } = await import('../config/config.ts');
    for (const mistake of mistakes) io.stderr(describeMistake(mistake));
    return false;
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  const made = join(dirname(file), `.${process.pid}.new`);
  // The agent is another user.
  writeFileSync(made, text, { mode: 0o644, flush: true });
  renameSync(made, file);
  return true;
}

/** What the running agent would refuse, which has all else read; null: none runs by this configuration, or it does not say. */
async function askAgent(config: string, file: string, text: string, client: Client): Promise<readonly Mistake[] | null> {
  try {
    const wish = { config: realpathSync(config), name: basename(file), text };
    const { mistakes } = await client.write<{ mistakes: readonly Mistake[] }>('POST', '/api/v1/ports/check', wish);
    return mistakes.map((mistake) => Object.assign(mistake, { file }));
  } catch (error) {
    // Whatever keeps it from answering: a look at all finds the same.
    if (codeOf(error) === null && !['no-agent', 'refusal'].includes(failureOf(error) ?? '')) throw error;
    return null;
  }
}

/** Loaded when it is wanted: what reads and checks a configuration is most of this program. */
async function lookAtAll(config: string, file: string, text: string): Promise<readonly Mistake[]> {
  const { mistakesBeside } = await import('./load.ts');
  return mistakesBeside(config, { path: file, kind: 'ports', text, trouble: null });
}

async function untilTaken(client: Client, name: string, isThere: boolean, seconds: number): Promise<boolean> {
  const untilMs = performance.now() + seconds * 1000;
  for (;;) {
    try {
      const ports = await client.json<PortView[]>('/api/v1/ports');
      if (ports.some((port) => port.interface === name) === isThere) return true;
      if (performance.now() > untilMs) return false;
    } catch (error) {
      if (failureOf(error) !== 'no-agent' || performance.now() > untilMs) throw error;
    }
    await setTimeout(LOOK_MS);
  }
}
