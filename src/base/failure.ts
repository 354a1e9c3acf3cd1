/**
 * Failures of the world, which are expected, and how they are told from defects of the program: by a field of the error. Its class is
 * lost on the way from one thread to another, and two copies of one class are no longer the same. Any thread.
 */

/** What an exit code is given for (cli/failure.ts has the table). */
export type FailureKind =
  /** The arguments or the configuration of a command are wrong. */
  | 'wrong-use'
  /** The answer to what was asked is no. */
  | 'refusal'
  | 'no-agent'
  | 'no-privilege'
  | 'no-package'
  | 'system-call'
  | 'virtual-switch'
  | 'listen'
  /** Another agent works on what only one may have. */
  | 'taken'
  | 'capture-file';

/** For a failure that nobody catches by its class. The message is one line for a person. */
export class OperatingError extends Error {
  override name = 'OperatingError';
  readonly failure: FailureKind;
  constructor(failure: FailureKind, message: string) {
    super(message);
    this.failure = failure;
  }
}

/** null: a defect. Node's own errors of system calls have a `syscall`. */
export function failureOf(error: unknown): FailureKind | null {
  if (!(error instanceof Error)) return null;
  if ('failure' in error && isKind(error.failure)) return error.failure;
  return 'syscall' in error ? 'system-call' : null;
}

/** What a worker answers, as the result of its task, in place of an error. */
export interface ToldFailure {
  readonly fatal: string;
  readonly failure: FailureKind;
}

/** In the worker. Throws a defect again: its stack is worth more than a line. */
export function tellFailure(error: unknown): ToldFailure {
  const failure = failureOf(error);
  if (failure === null) throw error;
  return { fatal: messageOf(error), failure };
}

/** On the main thread, with the result of a task that may have failed. */
export function throwTold(result: ToldFailure | undefined): void {
  if (result !== undefined) throw new OperatingError(result.failure, result.fatal);
}

/** `ENOENT`, `EADDRINUSE`, ... of a failed system call, or `MODULE_NOT_FOUND` and its like; null when the error has none. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const KINDS: Readonly<Record<FailureKind, true>> = {
  'wrong-use': true,
  refusal: true,
  'no-agent': true,
  'no-privilege': true,
  'no-package': true,
  'system-call': true,
  'virtual-switch': true,
  listen: true,
  taken: true,
  'capture-file': true,
};

function isKind(value: unknown): value is FailureKind {
  return typeof value === 'string' && Object.hasOwn(KINDS, value);
}
