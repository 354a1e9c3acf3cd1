/** `havip-agent console` as a process beside the lab, in this machine's own namespace: a browser here reaches it. It ends with its creator. */
import { agentCommand } from './agent.ts';
import { LabProcess } from './process.ts';

export interface ConsoleOptions {
  /** Unix sockets of agents. */
  readonly agents: readonly string[];
  /** Beside a TCP port. */
  readonly unix?: string;
  /** As nobody, who is in the group that may read the sockets. */
  readonly unprivileged?: boolean;
}

export class ConsoleProcess {
  readonly process: LabProcess;
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;

  private constructor(process: LabProcess, url: string) {
    this.process = process;
    this.url = url;
  }

  static async start({ agents, unix, unprivileged = false }: ConsoleOptions): Promise<ConsoleProcess> {
    const rights = unprivileged ? ['--reuid', 'nobody', '--regid', 'root', '--clear-groups', '--bounding-set=-all'] : [];
    const listens = ['127.0.0.1:0', ...(unix === undefined ? [] : [`unix:${unix}`])];
    const process = new LabProcess('console', [
      'setpriv',
      '--pdeathsig',
      'KILL',
      ...rights,
      ...agentCommand('console', ...agents.flatMap((socket) => ['--agent', `unix:${socket}`])),
      ...listens.flatMap((listen) => ['--listen', listen]),
    ]);
    const told = await process.line(/the page is at http/);
    if (unix !== undefined) await process.line(/the page is at unix:/);
    return new ConsoleProcess(process, /http:\/\/[^"]+\//.exec(told)?.[0] ?? '');
  }

  stop(): Promise<unknown> {
    return this.process.stop();
  }
}
