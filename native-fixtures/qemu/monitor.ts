/** QEMU's monitor (QMP): one command after the other. */
import { LabError } from '../lab/command.ts';
import { until } from '../lab/until.ts';
import { Lines } from './lines.ts';

export interface Migration {
  readonly totalMs: number;
  /** For which the machine stood still, as QEMU says. */
  readonly downtimeMs: number;
}

const ANSWER_MS = 20_000;
const MIGRATE_MS = 90_000;

export class Monitor {
  readonly #lines: Lines;

  private constructor(lines: Lines) {
    this.#lines = lines;
  }

  static async connect(path: string): Promise<Monitor> {
    const monitor = new Monitor(await Lines.connect('QEMU', path));
    await monitor.#lines.upTo(/"QMP"/, ANSWER_MS);
    await monitor.execute('qmp_capabilities');
    return monitor;
  }

  async execute(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#lines.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    const answer = (await this.#lines.upTo(/^\{"(return|error)"/, ANSWER_MS)).at(-1) ?? '{}';
    const { error, return: value } = JSON.parse(answer) as { error?: { desc: string }; return?: unknown };
    if (error !== undefined) throw new LabError(`QEMU: ${name}: ${error.desc}`);
    return value;
  }

  /** Resolves when the machine is in this state. */
  async is(status: 'paused' | 'running'): Promise<void> {
    const asked = async () => (await this.execute('query-status')) as { status: string };
    await until(`${status} machine`, async () => (await asked()).status === status, MIGRATE_MS);
  }

  /** Resolves when all of the machine is where it was to go. */
  async migrate(uri: string): Promise<Migration> {
    await this.execute('migrate', { uri });
    const told = async () => {
      const answer = (await this.execute('query-migrate')) as Record<string, unknown>;
      if (answer['status'] === 'failed') throw new LabError(`the migration failed: ${String(answer['error-desc'])}`);
      return answer['status'] === 'completed' && answer;
    };
    const done = await until('end of the migration', told, MIGRATE_MS);
    return { totalMs: Number(done['total-time']), downtimeMs: Number(done['downtime']) };
  }

  close(): void {
    this.#lines.close();
  }
}
