/**
 * Short-lived commands of the lab: each ends within its limit, and its failure is one line that a person can act on.
 */
import { execFile, execFileSync } from 'node:child_process';

/** Something the lab needed did not happen. The message is complete: no stack trace is needed to understand it. */
export class LabError extends Error {
  override name = 'LabError';
}

export interface CommandOptions {
  readonly input?: string;
  readonly limitMs?: number;
}

const DEFAULT_LIMIT_MS = 10_000;

/** Runs a command and resolves to what it printed; rejects with a LabError when it fails or exceeds its limit. */
export function command(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const [file = '', ...args] = argv;
  const limitMs = options.limitMs ?? DEFAULT_LIMIT_MS;
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { timeout: limitMs, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const why = error.killed === true ? `did not end within ${limitMs} ms` : firstLine(stderr) || firstLine(error.message);
      reject(new LabError(`${argv.join(' ')}: ${why}`));
    });
    child.stdin?.on('error', () => {}); // a command that ends without reading its input fails by its exit code, not by EPIPE
    child.stdin?.end(options.input ?? '');
  });
}

/** The same for clean-up, which must also work while the process exits. */
export function commandSync(argv: readonly string[], options: CommandOptions = {}): string {
  const [file = '', ...args] = argv;
  try {
    const timeout = options.limitMs ?? DEFAULT_LIMIT_MS;
    return execFileSync(file, args, { input: options.input ?? '', timeout, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new LabError(`${argv.join(' ')}: ${firstLine(stderr ?? '') || firstLine(message)}`);
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
