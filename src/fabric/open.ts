/** The store of the configuration, opened. What it takes is loaded here and not before: a host that is alone needs none of it. */
import { readFileSync } from 'node:fs';
import { messageOf, OperatingError } from '../base/failure.ts';
import type { StoreConfig } from '../config/config.ts';
import type { Access } from './etcd/connection.ts';
import type { EtcdWriter } from './etcd/writer.ts';
import type { Fabric } from './fabric.ts';

/**
 * Throws an OperatingError when a file that the configuration names cannot be read.
 * @param note for people: what the store refuses or what in it cannot be read
 */
export async function openFabric(store: StoreConfig, host: string, note: (message: string) => void): Promise<Fabric> {
  const { endpoints, prefix, leaseSeconds } = store;
  const { EtcdFabric } = await import('./etcd/etcd.ts');
  return new EtcdFabric({ endpoints, prefix, host, leaseSeconds, ...accessOf(store, note), random: Math.random, note });
}

/** For the catalogue; throws as above. */
export async function openWriter(store: StoreConfig, note: (message: string) => void): Promise<EtcdWriter> {
  const { EtcdWriter } = await import('./etcd/writer.ts');
  return new EtcdWriter(store.endpoints, accessOf(store, note));
}

function accessOf({ tls, user, passwordFile }: StoreConfig, note: (message: string) => void): Access {
  const files =
    tls === null
      ? null
      : {
          ca: read(tls.ca),
          cert: tls.cert === null ? null : read(tls.cert),
          key: tls.key === null ? null : read(tls.key),
        };
  if (passwordFile !== null) read(passwordFile);
  return {
    tls: files,
    user,
    // Read anew each time, so that a changed password needs no restart.
    password: () => (passwordFile === null ? null : readPassword(passwordFile, note)),
  };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OperatingError('wrong-use', `cannot read a file of \`store\`: ${messageOf(error)}`);
  }
}

function readPassword(path: string, note: (message: string) => void): string | null {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    note(`cannot read the store's password: ${messageOf(error)}`);
    return null;
  }
}
