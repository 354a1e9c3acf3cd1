/**
 * An error that reached the top, as one line for a person and an exit code. Only a defect of the program has a stack worth
 * seeing, and only for who asks for it.
 */
import { BrokenBelief } from '../base/assert.ts';
import { ListenError } from '../api/listen.ts';
import { VSwitchError } from '../vswitch/vswitch.ts';
import { CANNOT_RUN, CommandError, DEFECT } from './command.ts';

export interface Failure {
  readonly exitCode: number;
  readonly text: string;
}

/** @param debug add the stack of a defect */
export function explainFailure(error: unknown, debug: boolean): Failure {
  if (error instanceof CommandError) return { exitCode: error.exitCode, text: oneLine(error.message) };
  if (isOperating(error)) return { exitCode: CANNOT_RUN, text: oneLine(error.message) };
  const message = error instanceof Error ? error.message : String(error);
  const kind = error instanceof BrokenBelief || !(error instanceof Error) ? '' : `${error.name}: `;
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  return { exitCode: DEFECT, text: `defect: ${kind}${oneLine(message)}${stack}` };
}

/** Expected kinds of failure. System calls fail with a `code` (node's) or a `call` (abi/libc.ts). */
function isOperating(error: unknown): error is Error {
  if (error instanceof ListenError || error instanceof VSwitchError) return true;
  return error instanceof Error && !(error instanceof TypeError) && ('syscall' in error || error.name === 'SystemError');
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}
