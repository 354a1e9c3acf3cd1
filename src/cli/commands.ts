/** All commands, each loaded when it is asked for. */
import type { Command } from './command.ts';
import { helpCommand } from './help.ts';

const LOADERS = new Map<string, () => Promise<{ readonly command: Command }>>([
  ['run', () => import('./run.ts')],
  ['check', () => import('./check.ts')],
  ['status', () => import('./status.ts')],
  ['events', () => import('./events.ts')],
  ['ports', () => import('./ports.ts')],
  ['port', () => import('./port.ts')],
  ['vpc', () => import('./vpc.ts')],
  ['subnet', () => import('./subnet.ts')],
  ['havip', () => import('./havip.ts')],
  ['console', () => import('./console.ts')],
  ['record', () => import('./record.ts')],
  ['replay', () => import('./replay.ts')],
  ['explain', () => import('./explain.ts')],
  ['cleanup', () => import('./cleanup.ts')],
  ['help', async () => ({ command: helpCommand(allCommands) })],
]);

/** null: there is none of that name. */
export async function commandNamed(name: string): Promise<Command | null> {
  return (await LOADERS.get(name)?.())?.command ?? null;
}

export async function allCommands(): Promise<Command[]> {
  return (await Promise.all([...LOADERS.values()].map((load) => load()))).map(({ command }) => command);
}
