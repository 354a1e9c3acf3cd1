/**
 * Driver `files`: a HAVIP is a file of its own, `havips.d/ID.yaml` beside the configuration, which the agent reads as any drop-in
 * (config/drop-ins.ts). One host, nothing to install.
 *
 *     {"vpc":"vpc-1","havips":[{"id":"web","subnet":"subnet-a","address":"172.17.16.9",...}],"allocated":{"by":"root (uid 0)","at":"...","key":null}}
 *
 * What waits together is done under one lock, against one reading of the files: 1,000 wishes take a few turns.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { formatIpv4, type Ipv4 } from '../base/address.ts';
import { codeOf, OperatingError } from '../base/failure.ts';
import type { Config } from '../config/config.ts';
import { isId } from '../config/fields.ts';
import type { Wish } from '../config/shape.ts';
import { hasId } from '../config/ids.ts';
import { readText } from '../config/text.ts';
import type { Allocated, Author, Catalogue, Listed } from './catalogue.ts';
import { CatalogueError } from './refusal.ts';
import { LOOK_MS, LockedFolder } from './folder.ts';
import { allocate, note } from './rules.ts';
import { Sites } from './sites.ts';
import { idOf, isSame, partsOf, requestOf } from './wish.ts';

export interface FilesOptions {
  /** The configuration file. */
  readonly file: string;
  /** The configuration as it stands, with all that is beside it. Throws an OperatingError when it has mistakes. */
  readonly read: () => Promise<Config>;
  /** Why this file is not part of what was read. */
  readonly why: (path: string) => string | null;
  readonly wallMs: () => number;
}

/** What is to be done, as a change of a file; `done`: nothing. */
interface Plan<T> {
  readonly answer: T;
  readonly write?: { readonly name: string; readonly text: string };
  readonly remove?: string;
  /** A HAVIP that must be there afterwards. */
  readonly id?: string;
}

interface Job {
  /** What no other job of the same turn may be about. */
  readonly about: string;
  plan(sites: Sites): Plan<unknown>;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

type Outcome = { readonly job: Job; readonly plan: Plan<unknown>; error: unknown };

/** More than that waits for the next turn. */
const TOGETHER = 128;

export class FilesCatalogue implements Catalogue {
  readonly #o: FilesOptions;
  readonly #folder: string;
  readonly #jobs: Job[] = [];
  #running = false;

  constructor(options: FilesOptions) {
    this.#o = options;
    this.#folder = join(dirname(options.file), 'havips.d');
  }

  allocate(wish: Wish, author: Author): Promise<Allocated> {
    return this.#do(wish.id ?? `key ${author.key ?? randomUUID()}`, (sites) => this.#planAllocation(sites, wish, author));
  }

  release(id: string, vpc: string | null, _author: Author): Promise<{ readonly id: string; readonly vpc: string }> {
    return this.#do(id, (sites) => this.#planRelease(sites, id, vpc));
  }

  async list(): Promise<Listed[]> {
    const { vpcs } = await this.#o.read();
    return vpcs.flatMap((vpc) =>
      vpc.havips.map(({ id, subnet, address, members }) => {
        const { allocated } = this.#fileOf(id) ?? {};
        return { id, vpc: vpc.id, subnet, address: formatIpv4(address), members, allocated: allocated ?? null };
      }),
    );
  }

  #do<T>(about: string, plan: (sites: Sites) => Plan<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is the answer of this very plan
      this.#jobs.push({ about, plan, resolve: (answer) => resolve(answer as T), reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#jobs.length > 0) {
      await this.#turn(this.#next());
      // Others look for the lock that often.
      if (this.#jobs.length > 0) await setTimeout(LOOK_MS);
    }
    this.#running = false;
  }

  #next(): Job[] {
    const about = new Set<string>();
    let count = 0;
    for (const job of this.#jobs) {
      if (count === TOGETHER || about.has(job.about)) break;
      about.add(job.about);
      count++;
    }
    return this.#jobs.splice(0, count);
  }

  async #turn(jobs: readonly Job[]): Promise<void> {
    const outcomes: Outcome[] = [];
    let folder: LockedFolder | null = null;
    try {
      folder = await LockedFolder.lock(this.#folder);
      const sites = new Sites(await this.#o.read());
      for (const job of jobs) {
        try {
          outcomes.push({ job, plan: job.plan(sites), error: null });
        } catch (error) {
          job.reject(error);
        }
      }
      await this.#carryOut(folder, outcomes);
      for (const { job, plan, error } of outcomes) {
        if (error === null) job.resolve(plan.answer);
        else job.reject(error);
      }
    } catch (error) {
      for (const job of jobs) job.reject(error);
    } finally {
      folder?.unlock();
    }
  }

  /** Written, read as the agent reads it, and taken back where it would be refused. */
  async #carryOut(folder: LockedFolder, outcomes: readonly Outcome[]): Promise<void> {
    const due = outcomes.filter(({ plan }) => plan.write !== undefined || plan.remove !== undefined);
    if (due.length === 0) return;
    await Promise.all(
      due.map(async (outcome) => {
        const { write, remove } = outcome.plan;
        try {
          if (write !== undefined) await folder.write(write.name, write.text);
          if (remove !== undefined) await folder.remove(remove);
        } catch (error) {
          outcome.error = error;
        }
      }),
    );
    const [config] = await Promise.all([this.#o.read(), folder.sync()]);
    const isThere = (id: string) => config.vpcs.some(({ havips }) => hasId(havips, id));
    const refused = due.filter(({ plan, error }) => error === null && plan.id !== undefined && !isThere(plan.id));
    for (const outcome of refused) {
      const name = outcome.plan.write?.name ?? '';
      const why = this.#o.why(join(folder.path, name)) ?? 'the configuration does not take it';
      outcome.error = new CatalogueError('refused', why);
      await folder.remove(name);
    }
    if (refused.length > 0) await this.#o.read();
  }

  #planAllocation(sites: Sites, wish: Wish, author: Author): Plan<Allocated> {
    const id = idOf(wish, author.key);
    const before = this.#planAgain(sites, id, wish, author);
    if (before !== null) return before;
    const vpc = wish.vpc ?? sites.vpcOf(wish.subnet);
    if (vpc === null) throw new CatalogueError('no-subnet', `there is no subnet "${wish.subnet}"`);
    const site = sites.of(vpc);
    if (site === null) throw new CatalogueError('no-vpc', `there is no VPC "${vpc}"`);
    const members = wish.members ?? null;
    const request = requestOf(id, wish);
    const given = allocate(site, request);
    if ('refusal' in given) throw new CatalogueError(given.refusal.code, given.refusal.message);
    note(site, request, given.address);
    sites.noteHavip(id, vpc);
    return {
      answer: { id, vpc, subnet: wish.subnet, address: formatIpv4(given.address), members, again: false },
      write: { name: nameOf(id), text: this.#textOf(vpc, id, given.address, wish, author) },
      id,
    };
  }

  /** An id that is there: by this very wish, or somebody else's. */
  #planAgain(sites: Sites, id: string, wish: Wish, { key }: Author): Plan<Allocated> | null {
    const found = this.#fileOf(id);
    const taken = sites.vpcOfHavip(id);
    if (taken === null && found === null) return null;
    if (key === null || found === null || found.allocated?.key !== key)
      throw new CatalogueError(
        'id-taken',
        `there is a HAVIP "${id}" already, in VPC ${taken ?? found?.vpc ?? '?'}; choose another id`,
      );
    const { havip, vpc } = found;
    if (!isSame(wish, havip, vpc))
      throw new CatalogueError('key-reused', `this key was used for another wish, by which HAVIP ${id} was allocated`);
    const { subnet, address, members = null } = havip;
    return { answer: { id, vpc, subnet, address, members, again: true } };
  }

  #planRelease(sites: Sites, id: string, wanted: string | null): Plan<{ id: string; vpc: string }> {
    const found = this.#fileOf(id);
    const vpc = sites.vpcOfHavip(id) ?? found?.vpc ?? null;
    if (vpc === null || (wanted !== null && wanted !== vpc))
      throw new CatalogueError('no-havip', `there is no HAVIP "${id}"${wanted === null ? '' : ` in VPC ${wanted}`}`);
    if (found === null)
      throw new CatalogueError(
        'elsewhere',
        `HAVIP "${id}" was not allocated: it stands in ${this.#o.file} or, with others, in a file of havips.d; take it out there`,
      );
    sites.noteHavip(id, null);
    return { answer: { id, vpc }, remove: nameOf(id) };
  }

  #textOf(vpc: string, id: string, address: Ipv4, wish: Wish, { by, key }: Author): string {
    const havip = { id, address: formatIpv4(address), ...partsOf(wish) };
    const allocated = { by, at: new Date(this.#o.wallMs()).toISOString(), key };
    return `${JSON.stringify({ vpc, havips: [havip], allocated })}\n`;
  }

  /** The file of a HAVIP that has one for itself. */
  #fileOf(id: string): File | null {
    if (!isId(id)) return null;
    let text: string;
    try {
      text = readFileSync(join(this.#folder, nameOf(id)), 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR' || codeOf(error) === 'ENAMETOOLONG') return null;
      throw new OperatingError('system-call', String(error));
    }
    const { value, error } = readText(text);
    return error === null ? fileIn(value, id) : null;
  }
}

interface File {
  readonly vpc: string;
  readonly havip: Readonly<Record<string, unknown>> & {
    readonly subnet: string;
    readonly address: string;
    readonly members?: readonly string[];
  };
  readonly allocated?: { readonly by: string; readonly at: string; readonly key: string | null };
}

function fileIn(value: unknown, id: string): File | null {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is read of it is looked at first
  const { vpc, havips, allocated } = (value ?? {}) as { vpc?: unknown; havips?: unknown; allocated?: File['allocated'] };
  if (typeof vpc !== 'string' || !Array.isArray(havips) || havips.length !== 1) return null;
  const [havip]: unknown[] = havips;
  if (typeof havip !== 'object' || havip === null || !('id' in havip) || havip.id !== id) return null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the configuration took it with these, or nobody reads them
  return { vpc, havip: havip as unknown as File['havip'], ...(allocated !== undefined && { allocated }) };
}

function nameOf(id: string): string {
  return `${id}.yaml`;
}
