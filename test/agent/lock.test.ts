import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { describeHolder, isAgent, lockHolder, takeLock } from '../../src/agent/lock.ts';

const root = process.getuid?.() === 0;
const name = `test of process ${process.pid}`;
const LISTEN = String.raw`require('node:net').createServer().listen({ path: '\0' + ('havip-agent ' + process.argv[1]).padEnd(107) }, () => console.log('taken'))`;

/** Another process that takes the lock. */
async function holdElsewhere(uid?: number): Promise<{ pid: number; kill(): Promise<unknown> }> {
  const child = spawn(process.execPath, ['-e', LISTEN, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid && { uid, gid: uid }),
  });
  await once(child.stdout, 'data');
  const kill = () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    return ended;
  };
  return { pid: child.pid ?? 0, kill };
}

describe('lock', () => {
  it('is taken once, and says who has it', async () => {
    expect(lockHolder(name)).toBeNull();
    const { lock } = await takeLock(name);
    const holder = { pid: process.pid, uid: process.getuid?.() };
    expect(await takeLock(name)).toEqual({ lock: null, holder });
    expect(lockHolder(name)).toEqual(holder);
    lock?.close();
    expect(lockHolder(name)).toBeNull();
  });

  it('is free the moment its holder is killed', async () => {
    const other = await holdElsewhere();
    const { holder } = await takeLock(name);
    expect(holder).toMatchObject({ pid: other.pid });
    await other.kill();
    const { lock } = await takeLock(name);
    expect(lock).not.toBeNull();
    lock?.close();
  });

  it.runIf(root)('is not believed of a user who is neither root nor ours (needs root)', async () => {
    const other = await holdElsewhere(65_534);
    const { holder } = await takeLock(name);
    await other.kill();
    expect(holder).toEqual({ pid: other.pid, uid: 65_534 });
    expect([isAgent({ pid: 1, uid: 65_534 }, 0), isAgent({ pid: 1, uid: 0 }, 999), isAgent({ pid: 1, uid: 999 }, 999)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('is described with the process number where there is one', () => {
    expect(describeHolder({ pid: 4711, uid: 0 }, 'table havip')).toBe('another agent (pid 4711) has table havip');
    expect(describeHolder({ pid: 0, uid: 0 }, 'table havip')).toBe('another agent has table havip');
  });
});
