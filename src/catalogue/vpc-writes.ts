/**
 * Writes of one VPC's configuration in the store, one transaction after another: what waits together is planned against one reading, and goes
 * as one. Each has as its condition that the VPC's `net` is as it was read, and changes it; so of two writers one is first, and the other one
 * reads and plans anew.
 */
import { setTimeout } from 'node:timers/promises';
import { parseCidr, parseIpv4, type Ipv4 } from '../base/address.ts';
import { must } from '../base/assert.ts';
import { type EtcdWriter, type Write, WriterError } from '../fabric/etcd/writer.ts';
import { configPrefix, keyText, readItem, statePrefix } from '../fabric/keys.ts';
import type { Item, Key, Kind, ValueOf } from '../fabric/records.ts';
import { CatalogueError } from './refusal.ts';
import { note, type Owner, type Site } from './rules.ts';

export type Of<K extends Kind> = Item & { readonly kind: K; readonly value: ValueOf<K> };

/** A VPC as it was read, and as it will be after the plans so far. */
export interface Reading {
  readonly net: Of<'net'>;
  readonly subnets: Of<'subnet'>[];
  readonly havips: Of<'havip'>[];
  readonly site: Site;
  /** It goes with all that is left of it. */
  gone: boolean;
}

/** A part of a transaction; without any nothing is written. */
export interface Plan<T> extends Partial<Write> {
  readonly answer: T;
}

interface Job {
  /** The HAVIP, of which no other job of the same transaction may be; null: it goes alone. */
  readonly about: string | null;
  plan(reading: Reading): Plan<unknown>;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** A transaction of etcd has at most 128 of a kind; each job at most three, and one is the VPC's. */
const TOGETHER = 40;
const TRIES = 30;
const WAIT_MS = 20;

export class VpcWrites {
  readonly #writer: Pick<EtcdWriter, 'list' | 'write'>;
  readonly #prefix: string;
  readonly #queues = new Map<string, Job[]>();

  constructor(writer: Pick<EtcdWriter, 'list' | 'write'>, prefix: string) {
    this.#writer = writer;
    this.#prefix = prefix;
  }

  /** Throws a CatalogueError. @param plan is called again when somebody else was first, and may change the reading for who comes after it */
  do<T>(vpc: string, about: string | null, plan: (reading: Reading) => Plan<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is the answer of this very plan
      const job: Job = { about, plan, resolve: (answer) => resolve(answer as T), reject };
      const queue = this.#queues.get(vpc);
      if (queue === undefined) {
        this.#queues.set(vpc, [job]);
        void this.#run(vpc);
      } else queue.push(job);
    });
  }

  /** One write that is no VPC's; false: somebody was first. */
  async write(write: Write): Promise<boolean> {
    try {
      return await this.#writer.write(write);
    } catch (error) {
      throw saidOf(error);
    }
  }

  async items(prefixes: readonly string[]): Promise<Item[]> {
    try {
      const raw = await this.#writer.list(prefixes);
      return raw.flatMap((one) => readItem(this.#prefix, one, unreadable) ?? []);
    } catch (error) {
      throw saidOf(error);
    }
  }

  key(key: Key): string {
    return keyText(this.#prefix, key);
  }

  addressKey(vpc: string, address: Ipv4): string {
    return this.key({ kind: 'address', vpc, id: address.toString(16).padStart(8, '0') });
  }

  async #run(vpc: string): Promise<void> {
    // Who asks in the same turn of the event loop goes with the first.
    await Promise.resolve();
    const queue = must(this.#queues.get(vpc), 'it was put there');
    while (queue.length > 0) await this.#turn(vpc, queue.splice(0, togetherIn(queue)));
    this.#queues.delete(vpc);
  }

  async #turn(vpc: string, jobs: readonly Job[]): Promise<void> {
    try {
      let left = jobs;
      for (let tries = 1; left.length > 0; tries++) {
        const reading = await this.#read(vpc);
        const planned: { readonly job: Job; readonly plan: Plan<unknown> }[] = [];
        for (const job of left) {
          try {
            planned.push({ job, plan: job.plan(reading) });
          } catch (error) {
            job.reject(error);
          }
        }
        left = planned.map(({ job }) => job);
        if (
          await this.#commit(
            reading,
            planned.map(({ plan }) => plan),
          )
        ) {
          for (const { job, plan } of planned) job.resolve(plan.answer);
          return;
        }
        if (tries === TRIES) throw new CatalogueError('beaten', `others wrote first, ${TRIES} times in a row; try again`);
        await setTimeout(Math.random() * WAIT_MS);
      }
    } catch (error) {
      for (const job of jobs) job.reject(error);
    }
  }

  async #commit({ net, havips, subnets, gone }: Reading, plans: readonly Plan<unknown>[]): Promise<boolean> {
    const compare = plans.flatMap((plan) => plan.compare ?? []);
    const put = plans.flatMap((plan) => plan.put ?? []);
    const deletes = plans.flatMap((plan) => plan.delete ?? []);
    if (compare.length + put.length + deletes.length === 0) return true;
    const key = this.key(net);
    const value = { ...net.value, havips: havips.length, subnets: subnets.length };
    return this.write({
      compare: [[key, net.revision], ...compare],
      put: gone ? put : [[key, JSON.stringify(value)], ...put],
      delete: gone ? [key, ...deletes] : deletes,
    });
  }

  async #read(vpc: string): Promise<Reading> {
    const items = await this.items([configPrefix(this.#prefix, vpc), `${statePrefix(this.#prefix, vpc)}port/`]);
    const net = items.find(isOf('net'));
    if (net === undefined) throw new CatalogueError('no-vpc', `there is no VPC "${vpc}" in the store`);
    const [subnets, havips] = [items.filter(isOf('subnet')), items.filter(isOf('havip'))];
    return { net, subnets, havips, site: siteOf(net, subnets, havips, items), gone: false };
  }
}

/** How many of the first go in one transaction. */
function togetherIn(queue: readonly Job[]): number {
  const about = new Set<string>();
  for (const [i, job] of queue.entries()) {
    if (job.about === null) return Math.max(1, i);
    if (i === TOGETHER || about.has(job.about)) return i;
    about.add(job.about);
  }
  return queue.length;
}

function siteOf(
  { vpc, value: net }: Of<'net'>,
  subnets: readonly Of<'subnet'>[],
  havips: readonly Of<'havip'>[],
  items: readonly Item[],
): Site {
  const owners = new Map<Ipv4, Owner>();
  const homes = new Map<string, Set<string>>();
  for (const one of items) {
    if (one.kind !== 'port' && one.kind !== 'config-port') continue;
    const { instance = '', subnet = '', addresses = [] } = one.value ?? {};
    homes.set(instance, (homes.get(instance) ?? new Set()).add(subnet));
    for (const text of addresses) owners.set(must(parseIpv4(text), 'the shape was checked'), { kind: 'fixed', name: instance });
  }
  const placed = subnets.map(({ id, value }) => ({
    id,
    cidr: must(parseCidr(value.cidr), 'the shape was checked'),
    gateway: value.gateway === null ? null : parseIpv4(value.gateway),
  }));
  const site: Site = { vpc, quota: net.quota, subnets: placed, owners, havips: 0, vrids: new Map(), homes };
  for (const { id, value } of havips) {
    const { subnet, members, vrid } = value;
    const address = must(parseIpv4(value.address), 'the shape was checked');
    note(site, { id, subnet, address, members, vrid: vrid ?? null }, address);
  }
  return site;
}

function unreadable(key: string, why: string): never {
  throw new CatalogueError('refused', `${key} in the store cannot be read: ${why}`);
}

export function isOf<K extends Kind>(kind: K): (item: Item) => item is Of<K> {
  return (item): item is Of<K> => item.kind === kind && item.value !== null;
}

function saidOf(error: unknown): unknown {
  if (!(error instanceof WriterError)) return error;
  if (error.kind === 'refused')
    return new CatalogueError(
      'not-granted',
      `the store does not let these credentials write: ${error.message}; a host's may not change what is configured, ask as an operator`,
    );
  if (error.kind === 'full')
    return new CatalogueError('away', `the store is full: ${error.message}; compact and defragment it, nothing was written`);
  const told = error.kind === 'away' ? 'nothing was written' : 'it may have been written; the same with a key can be asked again';
  return new CatalogueError('away', `the store does not answer: ${error.message}; ${told}`);
}
