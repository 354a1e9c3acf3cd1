/**
 * An error that reached the top, as one line for a person and an exit code. Only a defect of the program has a stack worth
 * seeing, and only for who asks for it.
 */
import { BrokenBelief } from '../base/assert.ts';
import { type FailureKind, failureOf, messageOf } from '../base/failure.ts';
import { CANNOT_RUN, DEFECT, NO, WRONG_USE } from './command.ts';

export interface Failure {
  readonly exitCode: number;
  readonly text: string;
}

const EXIT_CODES: Readonly<Record<FailureKind, number>> = {
  'wrong-use': WRONG_USE,
  'capture-file': WRONG_USE,
  refusal: NO,
  'no-agent': CANNOT_RUN,
  'no-privilege': CANNOT_RUN,
  'no-package': CANNOT_RUN,
  'system-call': CANNOT_RUN,
  'virtual-switch': CANNOT_RUN,
  listen: CANNOT_RUN,
  taken: CANNOT_RUN,
};

/** @param debug add the stack of a defect */
export function explainFailure(error: unknown, debug: boolean): Failure {
  const failure = failureOf(error);
  const message = oneLine(messageOf(error));
  if (failure !== null) return { exitCode: EXIT_CODES[failure], text: message };
  const kind = error instanceof BrokenBelief || !(error instanceof Error) ? '' : `${error.name}: `;
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  return { exitCode: DEFECT, text: `defect: ${kind}${message}${stack}` };
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}
