/** Who may do what in the store: users and passwords, certificates, and the roles that docs give out. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Connection, type Access, type StoreError } from '../../src/fabric/etcd/connection.ts';
import { RANGE, TXN } from '../../src/fabric/etcd/wire.ts';
import { Authority } from '../../native-fixtures/lab/certificates.ts';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { until } from '../../native-fixtures/lab/until.ts';
import { grantRoles } from './roles.ts';
import { PREFIX, VPC, Watcher } from './watcher.ts';

const PERMISSION_DENIED = 7;
function put(connection: Connection, key: string): Promise<unknown> {
  const write = { request_put: { key: Buffer.from(`${PREFIX}/${key}`), value: Buffer.from('{}'), lease: 0 } };
  return connection.call(TXN, { compare: [], success: [write] }, 2000);
}

/** The code of the error; null: it was done. */
async function refusal(act: Promise<unknown>): Promise<number | null> {
  try {
    await act;
    return null;
  } catch (error) {
    return (error as StoreError).code;
  }
}

async function checkRoles(endpoint: string, accessOf: (user: string) => Access): Promise<void> {
  const [agent, operator] = [
    new Connection(endpoint, accessOf('havip-agent')),
    new Connection(endpoint, accessOf('havip-operator')),
  ];
  expect(await refusal(put(agent, `state/${VPC}/sign/x`))).toBeNull();
  expect(await refusal(put(agent, `config/${VPC}/havip/havip-1`))).toBe(PERMISSION_DENIED);
  expect(await refusal(put(agent, `config/${VPC}/net`))).toBe(PERMISSION_DENIED);
  const config = Buffer.from(`${PREFIX}/config/${VPC}/net`);
  expect(await refusal(agent.call(TXN, { compare: [], success: [{ request_delete_range: { key: config } }] }, 2000))).toBe(
    PERMISSION_DENIED,
  );
  expect(await refusal(agent.call(RANGE, { key: config }, 2000))).toBeNull();
  expect(await refusal(put(operator, `config/${VPC}/address/0a000001`))).toBeNull();
  expect(await refusal(put(operator, 'host/x'))).toBe(PERMISSION_DENIED);
  agent.close();
  operator.close();
}

function accessOf(user: string, password = 'secret'): Access {
  return { tls: null, user, password: () => password };
}

describe('a store with users and passwords', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await Etcd.start();
    await grantRoles(etcd, 'secret', PREFIX);
  });
  afterAll(() => etcd.close());

  it("does not let a hypervisor's credentials write configuration", async () => {
    await checkRoles(etcd.endpoints[0]!, accessOf);
  });

  it('gets a new token when the old one died with the store', { timeout: 60_000 }, async () => {
    const host = new Watcher('a', etcd.endpoints, accessOf('havip-agent'));
    await host.synced();
    expect((await host.propose(host.proposal('havip-1', 0))).result).toBe('committed');
    await etcd.kill(0);
    etcd.run(0);
    await until('claim after the restart', async () => {
      return (await host.propose(host.proposal('havip-1', host.binding('havip-1')?.revision ?? 0))).result === 'committed';
    });
    await until('its event', () => host.binding('havip-1')?.version === 2);
    expect(host.missed).toEqual([]);
    await host.close();
  });

  it('renews a token that ended while the connection stands', async () => {
    const connection = new Connection(etcd.endpoints[0]!, accessOf('havip-agent'));
    expect(await refusal(put(connection, `state/${VPC}/sign/x`))).toBeNull();
    // Each change of a right makes a new revision of them, and the tokens of the one before invalid.
    const root = ['--user', 'root:secret'];
    await etcd.ctl(['role', 'grant-permission', 'havip-agent', 'read', '/other'], { flags: root });
    await etcd.ctl(['user', 'passwd', 'havip-agent', '--interactive=false'], { flags: root, input: 'changed\n' });
    await etcd.ctl(['user', 'passwd', 'havip-agent', '--interactive=false'], { flags: root, input: 'secret\n' });
    expect(await refusal(put(connection, `state/${VPC}/sign/x`))).toBeNull();
    connection.close();
  });

  it('says why it does not let a host in, once', async () => {
    const [wrong, nobody] = [
      new Watcher('a', etcd.endpoints, accessOf('havip-agent', 'wrong')),
      new Watcher('b', etcd.endpoints, accessOf('nobody')),
    ];
    await until('both refused', () => wrong.states.length > 0 && nobody.states.length > 0);
    await until('several tries', () => wrong.fabric.tries > 2 && nobody.fabric.tries > 2);
    expect(wrong.states.map(({ why }) => why)).toEqual([expect.stringContaining('authentication failed')]);
    expect(nobody.states.map(({ why }) => why)).toEqual([expect.stringContaining('permission denied')]);
    await Promise.all([wrong.close(), nobody.close()]);
  });
});

describe('a store with certificates', () => {
  let etcd: Etcd;
  let directory: string;
  let authority: Authority;
  const access = new Map<string, Access>();

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'havip-tls-'));
    authority = await Authority.create(directory);
    for (const name of ['havip-agent', 'havip-operator', 'stranger']) {
      const { ca, cert, key } = await authority.issue(name);
      access.set(name, {
        tls: { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) },
        user: null,
        password: () => null,
      });
    }
    etcd = await Etcd.start({ tls: await authority.issue('root') });
    await grantRoles(etcd, null, PREFIX);
  }, 60_000);
  afterAll(async () => {
    await etcd.close();
    rmSync(directory, { recursive: true });
  });

  it('takes the common name for the user, with the same roles', async () => {
    await checkRoles(etcd.endpoints[0]!, (user) => access.get(user)!);
  });

  it('serves a host over TLS', async () => {
    const host = new Watcher('a', etcd.endpoints, access.get('havip-agent'));
    await host.synced();
    expect((await host.propose(host.proposal('havip-1', 0))).result).toBe('committed');
    await until('its event', () => host.binding('havip-1')?.version === 1);
    await host.close();
  });

  it('refuses a stranger, and is refused when its authority is another', async () => {
    const other = await Authority.create(mkdtempSync(join(directory, 'other-')));
    const { tls } = access.get('havip-agent')!;
    const foreign = { ...access.get('havip-agent')!, tls: { ...tls!, ca: readFileSync(other.ca) } };
    const hosts = [new Watcher('a', etcd.endpoints, access.get('stranger')), new Watcher('b', etcd.endpoints, foreign)];
    await until('both away', () => hosts.every(({ states }) => states.length > 0));
    expect(hosts.map(({ state }) => state)).toEqual(['away', 'away']);
    await Promise.all(hosts.map((host) => host.close()));
  });
});
