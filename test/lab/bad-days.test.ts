/**
 * What must not stop a failover, or do harm beside one: two agents, an address in use, signals during the start. On the real kernel.
 * Needs root.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AgentProcess, agentCommand } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { until } from '../../native-fixtures/lab/until.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('bad days: skipped, it needs root to make network namespaces');

/** Without what counts and what runs down by itself. */
const ruleset = async (lab: Lab) =>
  (await lab.host.exec(['nft', '-a', 'list', 'ruleset'])).replaceAll(/ expires \w+|packets \d+ bytes \d+/g, '');

describe.runIf(root)('two agents', () => {
  test('the second one ends before it touches anything, and cleanup keeps away from a running one', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const first = await lab.startAgent();
    const before = await ruleset(lab);
    const other = lab.config((config) => {
      config.http = { listen: `unix:${lab.socket}.second` };
      config.vpcs[0]!.havips = [];
    });
    const file = lab.writeFile('second.yaml', other);
    const second = lab.host.spawn(agentCommand('run', '--config', file));
    expect(await second.exited).toEqual({ code: 3, signal: null });
    expect(second.stderr).toEqual([`havip-agent: another agent (pid ${first.process.pid}) has table havip`]);

    const cleanup = lab.host.spawn(agentCommand('cleanup', '--config', file));
    expect(await cleanup.exited).toEqual({ code: 1, signal: null });
    expect(cleanup.stderr).toEqual([
      `another agent (pid ${first.process.pid}) has table havip and repairs what is removed: stop it first, or say --force`,
    ]);
    expect(await ruleset(lab)).toBe(before);

    // Killed, it has the lock no more.
    await first.stop('SIGKILL');
    const third = new AgentProcess(lab.host, `${lab.socket}.second`, agentCommand('run', '--config', file));
    await third.ready();
    const forced = lab.host.spawn(agentCommand('cleanup', '--config', file, '--force'));
    expect(await forced.exited).toEqual({ code: 0, signal: null });
    expect(forced.stdout).toEqual(['removed the nftables table netdev havip']);
    await third.stop();
  });

  test('an address in use is said before anything is programmed', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const file = lab.writeFile(
      'taken.yaml',
      lab.config((config) => (config.vswitch = { driver: 'memory' })),
    );
    const first = new AgentProcess(lab.host, lab.socket, agentCommand('run', '--config', file));
    await first.ready();
    const second = lab.host.spawn(agentCommand('run', '--config', lab.writeFile('late.yaml', lab.config())));
    expect(await second.exited).toEqual({ code: 3, signal: null });
    expect(second.stderr).toEqual([`havip-agent: cannot listen on unix:${lab.socket}: another process listens there`]);
    expect(await ruleset(lab)).toBe('');
    await first.stop();
  });
});

/** Signals that a process has handlers for (proc(5), SigCgt), as a bit mask. */
function caughtBy(pid: number): bigint {
  const [, hex = '0'] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return BigInt(`0x${hex}`);
}

describe.runIf(root)('a table of that name that is somebody else’s', () => {
  test('is not touched, by the agent nor by cleanup', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    await lab.host.exec([
      'nft',
      'add table netdev havip; add set netdev havip blocklist { type ipv4_addr; elements = { 192.0.2.1 } }',
    ]);
    const before = await ruleset(lab);
    const file = lab.writeFile('theirs.yaml', lab.config());
    for (const argv of [agentCommand('run', '--config', file), agentCommand('cleanup', '--config', file)]) {
      const process = lab.host.spawn(argv);
      expect(await process.exited).toEqual({ code: 3, signal: null });
      expect(process.stderr).toEqual([
        "havip-agent: table netdev havip is somebody else's: it has set blocklist, and nothing of an agent's",
      ]);
    }
    expect(await ruleset(lab)).toBe(before);
  });
});

describe.runIf(root)('signals during the start', () => {
  /** SIGHUP, SIGINT and SIGTERM. Node itself needs 0.1 s to come to our first line, in which nobody can. */
  const OURS = 0x4003n;

  async function startAndCatch(lab: Lab): Promise<AgentProcess> {
    const file = lab.writeFile('early.yaml', lab.config());
    const agent = new AgentProcess(lab.host, lab.socket, agentCommand('run', '--config', file));
    // Spawned by way of `ip netns exec`, which becomes node.
    await until('handler of signals', () => (caughtBy(agent.process.pid) & OURS) === OURS);
    return agent;
  }

  test.each([0, 20, 100, 300])('SIGHUP %i ms after the first line neither ends it nor is lost', async (delayMs) => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const agent = await startAndCatch(lab);
    await sleep(delayMs);
    agent.signal('SIGHUP');
    await agent.process.line(/configuration reloaded/);
    await agent.ready();
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });

  test('SIGTERM during the start ends it as any other', async () => {
    await using lab = await Lab.create({ guests: ['cvm-1', 'client'] });
    const agent = await startAndCatch(lab);
    agent.signal('SIGTERM');
    expect(await agent.process.exited).toEqual({ code: 0, signal: null });
  });
});
