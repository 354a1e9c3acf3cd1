/**
 * Allocates and releases made-up HAVIPs before the agent is ready: the first wish after a start took 52 ms, the second one 10, and most of the
 * difference was code that had not run yet. As agent/rehearsal.ts does with failovers, and with all that is on the way: a socket, a folder of
 * files, a configuration and an agent of its own. Main thread, once, at start.
 */
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from '../agent/agent.ts';
import { parseInThread } from '../agent/parser.ts';
import { SILENT } from '../agent/rehearsal.ts';
import { Reloads } from '../agent/reload.ts';
import { createHttp } from '../api/http.ts';
import { listenOn } from '../api/listen.ts';
import { Writes, type WritesOptions } from '../api/writes.ts';
import { systemClock } from '../base/clock.ts';
import { codeOf } from '../base/failure.ts';
import { FilesCatalogue } from '../catalogue/files.ts';
import { ConfigFile } from '../config/file.ts';
import type { DriverName } from '../vswitch/drivers.ts';
import type { VSwitch } from '../vswitch/vswitch.ts';
import { Client } from './client.ts';

const ROUNDS = 30;
/** Nothing there waits for a disk. */
const MEMORY = '/dev/shm';
/** Documentation addresses (RFC 5737), and interfaces that exist nowhere. */
const SUBNET = 'rehearsal';
const MADE_UP = {
  host: { id: 'rehearsal' },
  vpcs: [{ id: 'rehearsal', cidr: '192.0.2.0/24', subnets: [{ id: SUBNET, cidr: '192.0.2.0/24' }] }],
  ports: [{ interface: 'rehearsal1', instance: 'rehearsal-1', subnet: SUBNET, mac: '02:00:c0:00:02:01' }],
};

/** @param vswitch a scratch one: it is emptied and closed. Throws VSwitchError when it cannot be used, and what a file system throws. */
export async function rehearseWrites(vswitch: VSwitch, driver: DriverName): Promise<void> {
  const folder = mkdtempSync(join(hasMemory() ? MEMORY : tmpdir(), 'havip-'));
  const path = join(folder, 'agent.json');
  try {
    writeFileSync(path, JSON.stringify(MADE_UP));
    const file = new ConfigFile(path);
    const parsed = file.read();
    if (!parsed.ok) throw new Error(parsed.mistakes.map(({ message }) => message).join('; '));
    const { config } = parsed;
    const found = await vswitch.list();
    const agent = new Agent({ config, clock: systemClock, log: SILENT, vswitch, found, workers: null });
    try {
      await writeTo(new Reloads(file, agent, SILENT, parseInThread(driver), config), path, join(folder, 'socket'));
    } finally {
      await vswitch.cleanup();
      await agent.stop();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function writeTo(reloads: Reloads, file: string, unix: string): Promise<void> {
  const why = (one: string) => reloads.whyRefused(one);
  const catalogue = new FilesCatalogue({ file, read: () => reloads.beside(), why, wallMs: Date.now });
  const checkPorts: WritesOptions['checkPorts'] = (wish) => reloads.wouldRefuse(wish);
  const parts = { catalogue, checkPorts, unbind: async () => null, log: SILENT, clock: systemClock };
  const writes = new Writes({ ...parts, mayWrite: () => true });
  const server = createHttp(
    () => null,
    SILENT,
    () => writes,
  );
  const client = new Client(await listenOn(server, { unix }));
  const port = { interface: 'rehearsal2', instance: 'rehearsal-2', subnet: SUBNET, mac: '02:00:c0:00:02:02' };
  try {
    for (let i = 0; i < ROUNDS; i++) {
      await client.write('POST', '/api/v1/havips', { id: `r${i}`, subnet: SUBNET });
      const text = JSON.stringify({ ports: [port] });
      await client.write('POST', '/api/v1/ports/check', { config: file, name: 'r.yaml', text });
      await client.write('DELETE', `/api/v1/havips/r${i}`, undefined);
    }
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function hasMemory(): boolean {
  try {
    accessSync(MEMORY, constants.W_OK);
    return true;
  } catch (error) {
    if (codeOf(error) === null) throw error;
    return false;
  }
}
