/** The catalogue of a host with a store: what stands in a file stays in files, VPCs that stand in none are the store's. */
import type { Config } from '../config/config.ts';
import type { Wish } from '../config/shape.ts';
import type { Allocated, Author, Catalogue, Listed } from './catalogue.ts';
import { CatalogueError } from './refusal.ts';
import type { StoreCatalogue } from './store.ts';

export interface RouteOptions {
  readonly files: Catalogue;
  readonly store: StoreCatalogue;
  /** What is known here: the file's VPCs, and of those in the store what has come. */
  readonly config: () => Config;
  readonly isOfFile: (vpc: string) => boolean;
}

export class RoutedCatalogue implements Catalogue {
  readonly #o: RouteOptions;

  constructor(options: RouteOptions) {
    this.#o = options;
  }

  async allocate(wish: Wish, author: Author): Promise<Allocated> {
    const { files, store } = this.#o;
    const vpc = wish.vpc ?? this.#vpcOfSubnet(wish.subnet);
    return this.#o.isOfFile(vpc) ? files.allocate(wish, author) : store.allocate({ ...wish, vpc }, author);
  }

  async release(id: string, vpc: string | null, author: Author): Promise<{ readonly id: string; readonly vpc: string }> {
    const of = vpc ?? this.vpcOf(id);
    const { files, store } = this.#o;
    return this.#o.isOfFile(of) ? files.release(id, of, author) : store.release(id, of, author);
  }

  async list(): Promise<Listed[]> {
    const { files, store } = this.#o;
    const [ofFiles, ofStore] = await Promise.all([files.list(), store.list()]);
    return [...ofFiles.filter(({ vpc }) => this.#o.isOfFile(vpc)), ...ofStore.filter(({ vpc }) => !this.#o.isOfFile(vpc))];
  }

  vpcOf(id: string): string {
    const vpc = this.#o.config().vpcs.find(({ havips }) => havips.some((havip) => havip.id === id));
    if (vpc !== undefined) return vpc.id;
    throw new CatalogueError('no-havip', `there is no HAVIP "${id}" here; of one that only the store knows say the VPC`);
  }

  #vpcOfSubnet(subnet: string): string {
    const found = this.#o.config().vpcs.filter(({ subnets }) => subnets.some(({ id }) => id === subnet));
    const [one] = found;
    if (one !== undefined && found.length === 1) return one.id;
    if (found.length > 1) throw new CatalogueError('no-subnet', `several VPCs have a subnet "${subnet}"; say the VPC`);
    throw new CatalogueError('no-subnet', `there is no subnet "${subnet}" here; of one that only the store knows say the VPC`);
  }
}
