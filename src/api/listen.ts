/**
 * Opens the HTTP server on a TCP address or a unix socket. Main thread.
 */
import { once } from 'node:events';
import { lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { codeOf, messageOf } from '../base/failure.ts';
import { permissionDenied } from '../base/user.ts';
import { formatListen, type Listen } from '../config/listen.ts';
import { whyNoSocket } from '../config/unix.ts';

/** The address is taken, or not ours to use. One line for the operator. */
export class ListenError extends Error {
  override name = 'ListenError';
  readonly failure = 'listen';
}

/** Resolves once connections are taken, to the address as people write it (a port of 0 replaced by the one found). */
export async function listenOn(server: Server, listen: Listen): Promise<string> {
  if ('unix' in listen) await makeWay(listen);
  // node:net binds a socket file within the call to listen(), so that the umask need not stand any longer.
  const umask = 'unix' in listen ? process.umask(0o117) : null;
  try {
    server.listen('unix' in listen ? { path: listen.unix } : listen);
  } finally {
    if (umask !== null) process.umask(umask);
  }
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ListenError(`cannot listen on ${formatListen(listen)}: ${explain(error, listen)}`);
  }
  const address = server.address();
  return formatListen(typeof address === 'object' && address !== null ? { host: address.address, port: address.port } : listen);
}

async function makeWay(listen: Listen & { readonly unix: string }): Promise<void> {
  const tooLong = whyNoSocket(listen.unix, null);
  if (tooLong !== null) throw new ListenError(`cannot listen on ${formatListen(listen)}: ${tooLong}`);
  try {
    await removeStaleSocket(listen.unix);
  } catch (error) {
    if (codeOf(error) === null) throw error;
    throw new ListenError(`cannot listen on ${formatListen(listen)}: ${explain(error, listen)}`);
  }
}

/** A killed agent leaves its socket file behind. Anything else of that name is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket()) throw new ListenError(`cannot listen on unix:${path}: a file of that name exists and is not a socket`);
  if (await isAlive(path)) throw new ListenError(`cannot listen on unix:${path}: another process listens there`);
  unlinkSync(path);
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this host has no such address',
  ENOTFOUND: 'no such host name',
};

function explain(error: unknown, listen: Listen): string {
  const code = codeOf(error);
  const why = 'unix' in listen ? whyNoSocket(listen.unix, code) : null;
  if (why !== null) return why;
  if (code === 'EACCES') return permissionDenied();
  return REASONS[codeOf(error) ?? ''] ?? messageOf(error);
}
