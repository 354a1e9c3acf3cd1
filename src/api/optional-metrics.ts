/** Series that are there only where the configuration asks for them: of the store, and of who is told of events. Main thread. */
import { Counter, Gauge, type Histogram, type Registry } from 'prom-client';
import { byLabel, histogram, labelled, SHORT_SECONDS } from './instruments.ts';

type Counts<K extends string> = Readonly<Record<K, number>>;

export interface StoreCounts {
  readonly connected: boolean;
  readonly pending: number;
  readonly transactions: Counts<'committed' | 'beaten' | 'unknown'>;
  readonly relists: Counts<'start' | 'compacted' | 'gap' | 'restored' | 'asked'>;
  readonly gaps: number;
  readonly badValues: number;
  readonly refusedBindings: number;
  /** null: not known. */
  readonly dbBytes: number | null;
  readonly hosts: number;
}

export interface OptionalSource {
  /** Other hosts, through a store; null: this host is alone. */
  store(): StoreCounts | null;
  /** By receiver of events: what came of them. */
  notifications?(): readonly (Counts<'delivered' | 'retried' | 'dropped' | 'waiting'> & { readonly target: string })[];
}

export function registerStore(
  registry: Registry,
  source: OptionalSource,
): Readonly<Record<'spread' | 'remote' | 'transaction', Histogram>> {
  const count = (kind: typeof Counter | typeof Gauge, name: string, help: string, read: (store: StoreCounts) => number | null) =>
    labelled(kind, name, help, [], registry, (set) => {
      const store = source.store();
      const value = store === null ? null : read(store);
      if (value !== null) set({}, value);
    });
  count(Gauge, 'store_connected', '1 while the store answers and its watches stand.', ({ connected }) => (connected ? 1 : 0));
  count(Gauge, 'store_pending', 'HAVIPs whose holder here the store has yet to hear of.', ({ pending }) => pending);
  byLabel(Counter, 'store_txn_total', 'Transactions by outcome.', 'outcome', registry, () => source.store()?.transactions ?? {});
  byLabel(Counter, 'store_relists_total', 'Lists of a VPC by reason.', 'reason', registry, () => source.store()?.relists ?? {});
  count(
    Counter,
    'store_gaps_total',
    'Events that did not come, by the versions of keys; each was made good by a list.',
    ({ gaps }) => gaps,
  );
  count(
    Counter,
    'store_bad_values_total',
    'Values in the store that could not be read, and were ignored.',
    ({ badValues }) => badValues,
  );
  count(
    Counter,
    'store_refused_bindings_total',
    'Bindings in the store that were not believed.',
    ({ refusedBindings }) => refusedBindings,
  );
  count(Gauge, 'store_db_bytes', "Size of the store's data; absent while it is not known.", ({ dbBytes }) => dbBytes);
  count(Gauge, 'hosts', 'Hosts whose agent is there, this one included.', ({ hosts }) => hosts);
  const spread = 'From a decision to the acknowledgement of the store, from where other hosts have it.';
  const remote = "From the arrival of another host's binding to the acknowledged commit.";
  return {
    spread: histogram('spread_seconds', spread, SHORT_SECONDS, [], registry),
    remote: histogram('remote_programming_seconds', remote, SHORT_SECONDS, [], registry),
    transaction: histogram('store_txn_seconds', 'One transaction, answered or given up.', SHORT_SECONDS, [], registry),
  };
}

export function registerNotifications(registry: Registry, source: OptionalSource): void {
  const help = 'Events by receiver (place in `notify`, and kind): delivered, tried once more, or dropped.';
  labelled(Counter, 'notifications_total', help, ['target', 'outcome'], registry, (set) => {
    for (const { target, delivered, retried, dropped } of source.notifications?.() ?? [])
      for (const [outcome, count] of Object.entries({ delivered, retried, dropped })) set({ target, outcome }, count);
  });
  labelled(Gauge, 'notifications_waiting', 'Events that a receiver has yet to hear of.', ['target'], registry, (set) => {
    for (const { target, waiting } of source.notifications?.() ?? []) set({ target }, waiting);
  });
}
