/** The roles that docs/hosts.md gives out, on a store of the tests. */
import type { Etcd } from '../../native-fixtures/lab/etcd.ts';

const GRANTS: readonly [role: string, type: string, area: string][] = [
  ['havip-agent', 'read', 'config'],
  ['havip-agent', 'readwrite', 'state'],
  ['havip-agent', 'readwrite', 'host'],
  ['havip-operator', 'readwrite', 'config'],
  ['havip-operator', 'readwrite', 'state'],
];

/** As docs say it: roles by area, root for the administrator, then authentication on. */
export async function grantRoles(etcd: Etcd, password: string | null, prefix: string): Promise<void> {
  const user = (name: string) => (password === null ? [name, '--no-password'] : [`${name}:${password}`]);
  for (const role of ['havip-agent', 'havip-operator']) await etcd.ctl(['role', 'add', role]);
  for (const [role, type, area] of GRANTS)
    await etcd.ctl(['role', 'grant-permission', '--prefix=true', role, type, `${prefix}/${area}/`]);
  for (const name of ['root', 'havip-agent', 'havip-operator', 'nobody']) await etcd.ctl(['user', 'add', ...user(name)]);
  await etcd.ctl(['user', 'grant-role', 'root', 'root']);
  for (const role of ['havip-agent', 'havip-operator']) await etcd.ctl(['user', 'grant-role', role, role]);
  await etcd.ctl(['auth', 'enable']);
}
