/**
 * The compiled agent as a process in the host's namespace. It listens on a unix socket in the lab's directory, so that the
 * creator of the lab reaches it from its own namespace.
 */
import { request } from 'node:http';
import { join } from 'node:path';
import { LabError } from './command.ts';
import type { Namespace } from './namespace.ts';
import type { Exit, LabProcess } from './process.ts';
import { projectRoot } from './project.ts';
import { until } from './until.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export type ApiObject = Record<string, unknown>;

export function agentCommand(...args: readonly string[]): string[] {
  return [process.execPath, '--enable-source-maps', join(projectRoot(), 'dist/src/start.cjs'), ...args];
}

export class AgentProcess {
  readonly process: LabProcess;
  readonly #socket: string;

  constructor(host: Namespace, socket: string, argv: readonly string[]) {
    this.#socket = socket;
    this.process = host.spawn(argv);
  }

  /** Resolves when /-/ready answers 200; rejects when the agent ends before. */
  async ready(limitMs = 15_000): Promise<void> {
    const ended = this.process.exited.then(({ code, signal }) => {
      const said = this.process.stderr.at(-1) ?? this.process.stdout.at(-1) ?? 'nothing';
      throw new LabError(`agent: ended (${signal ?? `exit code ${code}`}) before it was ready; last said: ${said}`);
    });
    const answers = async () => {
      try {
        return (await this.get('/-/ready')).status === 200;
      } catch (error) {
        // It listens before it programs the switch, which takes it long when many start at once: then it does not answer in time.
        if (error instanceof LabError) return false;
        if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
        throw error;
      }
    };
    await Promise.race([until('ready agent', answers, limitMs), ended]);
  }

  get(path: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#socket, path, timeout: 5_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      });
      asked.on('timeout', () => asked.destroy(new LabError(`agent: no answer to GET ${path} within 5000 ms`)));
      asked.on('error', reject);
      asked.end();
    });
  }

  /** A JSON document of the API. */
  async api<T = ApiObject>(path: string): Promise<T> {
    const { status, body } = await this.get(path);
    if (status !== 200) throw new LabError(`agent: GET ${path}: ${status} ${body.trim()}`);
    return JSON.parse(body) as T;
  }

  async metrics(): Promise<string> {
    return (await this.get('/metrics')).body;
  }

  /** Sum of all samples of a metric whose labels include these; 0 when there is none. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const samples = (await this.metrics())
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    const matching = samples.filter((line) => wanted.every((label) => line.includes(label)));
    return matching.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Asks `path` until the document satisfies the predicate; resolves to it. */
  waitForApi<T = ApiObject>(path: string, what: string, predicate: (document: T) => boolean, limitMs?: number): Promise<T> {
    const ask = async () => {
      const document = await this.api<T>(path);
      return predicate(document) ? { document } : undefined;
    };
    return until(what, ask, limitMs).then(({ document }) => document);
  }

  /** Resolves to the first event, of the past or to come, that satisfies the predicate. */
  async waitForEvent(what: string, predicate: (event: ApiObject) => boolean, limitMs?: number): Promise<ApiObject> {
    return until(what, async () => (await this.events()).find(predicate), limitMs);
  }

  async events(): Promise<ApiObject[]> {
    const document = await this.api<ApiObject[] | { events: ApiObject[] }>('/api/v1/events');
    return Array.isArray(document) ? document : document.events;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  stop(signal?: NodeJS.Signals): Promise<Exit> {
    return this.process.stop(signal);
  }
}
