/** VPCs, subnets and HAVIPs in a real etcd: one transaction each, whoever writes beside. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CatalogueError } from '../../src/catalogue/refusal.ts';
import { StoreCatalogue } from '../../src/catalogue/store.ts';
import { readWish } from '../../src/catalogue/wish.ts';
import { Connection, type Access } from '../../src/fabric/etcd/connection.ts';
import { TXN } from '../../src/fabric/etcd/wire.ts';
import { EtcdWriter } from '../../src/fabric/etcd/writer.ts';
import { Etcd } from '../../native-fixtures/lab/etcd.ts';
import { grantRoles } from '../fabric/roles.ts';

const PREFIX = '/havip/v1';
const OPEN: Access = { tls: null, user: null, password: () => null };
const author = (key: string | null = null) => ({ by: 'a test', key });
const codeOf = (error: unknown) => (error instanceof CatalogueError ? error.code : String(error));

let etcd: Etcd;
let vpc: string;
let count = 0;
const writers: EtcdWriter[] = [];

beforeAll(async () => {
  etcd = await Etcd.start();
});
afterAll(async () => {
  for (const writer of writers) writer.close();
  await etcd.close();
});
beforeEach(() => {
  vpc = `vpc-${++count}`;
});

function open(access = OPEN, endpoints = etcd.endpoints): StoreCatalogue {
  const writer = new EtcdWriter(endpoints, access);
  writers.push(writer);
  return new StoreCatalogue({ writer, prefix: PREFIX, wallMs: Date.now, isOfFile: (id) => id === 'of-file' });
}

async function made(quota = 10): Promise<StoreCatalogue> {
  const catalogue = open();
  await catalogue.addVpc(vpc, '172.17.0.0/16', quota);
  await catalogue.addSubnet(vpc, 'subnet-a', { cidr: '172.17.16.0/20', gateway: '172.17.16.1', probe: false });
  return catalogue;
}

const wish = (changes: object = {}) => readWish({ vpc, subnet: 'subnet-a', ...changes });
const allocate = (catalogue: StoreCatalogue, changes: object = {}, key: string | null = null) =>
  catalogue.allocate(wish(changes), author(key)).then(({ address }) => address, codeOf);

async function keys(under: string): Promise<string[]> {
  return (await etcd.ctl(['get', '--prefix', '--keys-only', `${PREFIX}/${under}`])).split('\n').filter((line) => line !== '');
}

async function put(key: string, value: object): Promise<void> {
  const connection = new Connection(etcd.endpoints[0]!, OPEN);
  const request_put = { key: Buffer.from(`${PREFIX}/${key}`), value: Buffer.from(JSON.stringify(value)), lease: 0 };
  await connection.call(TXN, { compare: [], success: [{ request_put }] }, 2000);
  connection.close();
}

describe('a VPC in the store', () => {
  it('comes and goes with its subnets and HAVIPs', async () => {
    const catalogue = await made();
    expect(await allocate(catalogue, { id: 'web', members: ['cvm-1'], vrid: 7, assist: 'resign' })).toBe('172.17.16.2');
    expect(await catalogue.list()).toContainEqual(
      expect.objectContaining({
        id: 'web',
        vpc,
        address: '172.17.16.2',
        members: ['cvm-1'],
        allocated: expect.objectContaining({ by: 'a test' }) as object,
      }),
    );
    expect(await catalogue.vpcs()).toContainEqual({ id: vpc, cidr: '172.17.0.0/16', quota: 10, havips: 1, subnets: 1 });
    await expect(catalogue.removeSubnet(vpc, 'subnet-a')).rejects.toMatchObject({ code: 'in-use' });
    await expect(catalogue.removeVpc(vpc)).rejects.toMatchObject({ code: 'in-use' });
    await put(`state/${vpc}/binding/web`, {
      instance: 'cvm-1',
      host: 'h',
      mac: '02:00:00:00:00:01',
      vtep: null,
      sinceMs: 1,
      startMs: 1,
      cause: null,
      from: null,
      holdMs: 1000,
      id: 'x',
    });
    await catalogue.release('web', vpc, author());
    expect([await keys(`config/${vpc}/`), await keys(`state/${vpc}/`)]).toEqual([
      [`${PREFIX}/config/${vpc}/net`, `${PREFIX}/config/${vpc}/subnet/subnet-a`],
      [],
    ]);
    await catalogue.removeSubnet(vpc, 'subnet-a');
    await catalogue.removeVpc(vpc);
    expect(await keys(`config/${vpc}/`)).toEqual([]);
  });

  it.each<[string, (catalogue: StoreCatalogue) => Promise<unknown>, string]>([
    ['a VPC twice', (catalogue) => catalogue.addVpc(vpc, '10.0.0.0/8', 1), 'id-taken'],
    ['a VPC of the file', (catalogue) => catalogue.addVpc('of-file', '10.0.0.0/8', 1), 'elsewhere'],
    ['no prefix', (catalogue) => catalogue.addVpc('other', '10.0.0.1/8', 1), 'malformed'],
    [
      'a subnet twice',
      (catalogue) => catalogue.addSubnet(vpc, 'subnet-a', { cidr: '172.17.99.0/24', gateway: null, probe: false }),
      'id-taken',
    ],
    [
      'a subnet that overlaps',
      (catalogue) => catalogue.addSubnet(vpc, 'b', { cidr: '172.17.17.0/24', gateway: null, probe: false }),
      'misplaced',
    ],
    [
      'a subnet outside',
      (catalogue) => catalogue.addSubnet(vpc, 'b', { cidr: '172.18.0.0/24', gateway: null, probe: false }),
      'misplaced',
    ],
    [
      'a gateway outside',
      (catalogue) => catalogue.addSubnet(vpc, 'b', { cidr: '172.17.99.0/24', gateway: '172.17.98.1', probe: false }),
      'misplaced',
    ],
    [
      'a subnet of no VPC',
      (catalogue) => catalogue.addSubnet('none', 'b', { cidr: '172.17.99.0/24', gateway: null, probe: false }),
      'no-vpc',
    ],
    ['a HAVIP of no subnet', (catalogue) => catalogue.allocate(wish({ subnet: 'none' }), author()), 'no-subnet'],
    ['a HAVIP on the gateway', (catalogue) => catalogue.allocate(wish({ address: '172.17.16.1' }), author()), 'gateway'],
    ['a HAVIP that is not there', (catalogue) => catalogue.release('none', vpc, author()), 'no-havip'],
  ])('is refused %s', async (_what, act, code) => {
    expect(await act(await made()).then(() => 'done', codeOf)).toBe(code);
  });

  it('gives no HAVIP the fixed address of a port that a host or an orchestrator has told of', async () => {
    const catalogue = await made();
    await put(`state/${vpc}/port/host-a/tap7`, {
      instance: 'cvm-1',
      subnet: 'subnet-a',
      mac: '02:00:00:00:00:01',
      addresses: ['172.17.16.2'],
      vtep: null,
    });
    await put(`config/${vpc}/port/02:00:00:00:00:02`, { instance: 'cvm-2', subnet: 'subnet-a', addresses: ['172.17.16.3'] });
    expect(await allocate(catalogue)).toBe('172.17.16.4');
    expect(await allocate(catalogue, { address: '172.17.16.2' })).toBe('fixed-address');
  });

  it('follows a wish with a key once', async () => {
    const catalogue = await made();
    const address = await allocate(catalogue, {}, 'order-7');
    expect(await allocate(open(), {}, 'order-7')).toBe(address);
    expect(await Promise.all([allocate(catalogue, {}, 'order-8'), allocate(catalogue, {}, 'order-8')])).toEqual([
      '172.17.16.3',
      '172.17.16.3',
    ]);
    expect(await allocate(open(), { address: '172.17.16.99' }, 'order-7')).toBe('key-reused');
  });

  it('of 1,000 wishes at once, by four writers, grants the quota exactly, and no address twice', async () => {
    await made(900);
    const catalogues = [open(), open(), open(), open()];
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => allocate(catalogues[i % 4]!)));
    const given = answers.filter((answer) => answer.startsWith('172.'));
    expect(answers.filter((answer) => !answer.startsWith('172.') && answer !== 'quota')).toEqual([]);
    expect([given.length, new Set(given).size]).toEqual([900, 900]);
    expect([(await keys(`config/${vpc}/havip/`)).length, (await keys(`config/${vpc}/address/`)).length]).toEqual([900, 900]);
    expect((await open().vpcs()).find(({ id }) => id === vpc)).toMatchObject({ havips: 900 });
  });

  it('of two that want one id and one address at once makes one of them happen', async () => {
    await made(100);
    for (let i = 0; i < 20; i++) {
      const both = await Promise.all([open(), open()].map((one) => allocate(one, { id: `web-${i}`, address: `172.17.17.${i}` })));
      expect(both.toSorted()).toEqual([`172.17.17.${i}`, 'id-taken'].toSorted());
    }
  });

  it('takes a HAVIP from its holder as a binding of nobody', async () => {
    const catalogue = await made();
    await allocate(catalogue, { id: 'web' });
    expect(await catalogue.unbind('web', vpc)).toBeNull();
    const held = {
      instance: 'cvm-1',
      host: 'h',
      mac: '02:00:00:00:00:01',
      vtep: null,
      sinceMs: 1,
      startMs: 1,
      cause: null,
      from: null,
      holdMs: 1000,
      id: 'x',
    };
    await put(`state/${vpc}/binding/web`, held);
    expect(await catalogue.unbind('web', vpc)).toBe('cvm-1');
    expect(JSON.parse(await etcd.ctl(['get', '--print-value-only', `${PREFIX}/state/${vpc}/binding/web`]))).toMatchObject({
      instance: null,
      cause: 'unbound',
      from: 'cvm-1',
    });
    expect(await catalogue.unbind('web', vpc)).toBeNull();
  });

  it('says that the store does not answer, and that nothing was written', async () => {
    const catalogue = open(OPEN, ['http://127.0.0.1:1']);
    await expect(catalogue.allocate(wish(), author())).rejects.toMatchObject({
      code: 'away',
      message: expect.stringMatching(/nothing was written$/) as string,
    });
  });
});

describe('with the roles of docs/hosts.md', () => {
  let guarded: Etcd;
  beforeAll(async () => {
    guarded = await Etcd.start();
    await grantRoles(guarded, 'secret', PREFIX);
  });
  afterAll(() => guarded.close());

  it("a host's credentials allocate, add and release nothing; an operator's do", async () => {
    const [operator, agent, nobody] = ['havip-operator', 'havip-agent', 'nobody'].map((user) => {
      return open({ tls: null, user, password: () => 'secret' }, guarded.endpoints);
    }) as [StoreCatalogue, StoreCatalogue, StoreCatalogue];
    await operator.addVpc(vpc, '172.17.0.0/16', 10);
    await operator.addSubnet(vpc, 'subnet-a', { cidr: '172.17.16.0/24', gateway: null, probe: false });
    expect(await allocate(operator, { id: 'web', members: ['cvm-1'] })).toBe('172.17.16.1');
    await expect(agent.allocate(wish(), author())).rejects.toMatchObject({
      code: 'not-granted',
      message: expect.stringContaining("a host's may not change what is configured, ask as an operator") as string,
    });
    const acts = [
      agent.addVpc('other', '10.0.0.0/8', 1),
      agent.release('web', vpc, author()),
      nobody.release('web', vpc, author()),
    ];
    expect(await Promise.all(acts.map((act) => act.then(() => 'done', codeOf)))).toEqual(acts.map(() => 'not-granted'));
    // Who holds it is state, which hosts write.
    expect(await agent.unbind('web', vpc)).toBeNull();
    await operator.release('web', vpc, author());
  });
});
