/** Runs a command in this process and keeps what it says. */
import type { Command, Io } from '../../src/cli/command.ts';
import { explainFailure } from '../../src/cli/failure.ts';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As main.ts does it, errors included. */
export function runCommand(command: Command, ...args: string[]): Promise<Outcome> {
  return runWith({}, command, ...args);
}

/** The same in a world that is otherwise than that of a script. */
export async function runWith(world: Partial<Io>, command: Command, ...args: string[]): Promise<Outcome> {
  const said = { stdout: '', stderr: '' };
  const io: Io = {
    watched: false,
    terminal: null,
    journal: false,
    supervision: null,
    stateDirectory: null,
    httpAddress: null,
    openvswitch: '/nowhere/db.sock',
    stdout: (text) => void (said.stdout += typeof text === 'string' ? text : Buffer.from(text).toString('latin1')),
    stderr: (text) => void (said.stderr += text),
    onSignal: () => {},
    ...world,
  };
  try {
    return { exitCode: await command.run(args, io), ...said };
  } catch (error) {
    const { exitCode, text } = explainFailure(error, false);
    return { exitCode, stdout: said.stdout, stderr: `${said.stderr}havip-agent: ${text}\n` };
  }
}
