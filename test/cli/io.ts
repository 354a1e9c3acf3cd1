/** Runs a command in this process and keeps what it says. */
import type { Command, Io } from '../../src/cli/command.ts';
import { explainFailure } from '../../src/cli/failure.ts';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As main.ts does it, errors included. */
export async function runCommand(command: Command, ...args: string[]): Promise<Outcome> {
  const said = { stdout: '', stderr: '' };
  const io: Io = {
    watched: false,
    journal: false,
    supervision: null,
    stdout: (text) => void (said.stdout += typeof text === 'string' ? text : Buffer.from(text).toString('latin1')),
    stderr: (text) => void (said.stderr += text),
    onSignal: () => {},
  };
  try {
    return { exitCode: await command.run(args, io), ...said };
  } catch (error) {
    const { exitCode, text } = explainFailure(error, false);
    return { exitCode, stdout: said.stdout, stderr: `${said.stderr}havip-agent: ${text}\n` };
  }
}
