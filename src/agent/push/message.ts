/** What the agent and the process that pushes say to each other: one JSON document per line. */

/** Who is told: a program, or an address that is posted to. */
export type Target = { readonly exec: readonly string[] } | { readonly webhook: string };

export interface Pushed {
  /** Events of one key are told one after the other. */
  readonly key: string;
  readonly atMs: number;
  /** For programs, which see the words of it in their environment. */
  readonly words: Readonly<Record<string, string>>;
  /** A CloudEvent as JSON. */
  readonly body: string;
}

export interface PushLimits {
  /** Events that wait for one receiver. */
  readonly waiting: number;
  readonly atOnce: number;
  /** Of one event that a receiver does not take; one that is away is tried until the event is too old. */
  readonly tries: number;
  readonly keepMs: number;
  readonly backoff: { readonly firstMs: number; readonly mostMs: number };
  /** Of one attempt. */
  readonly attemptMs: number;
}

/** An hour of a dead receiver is made good when it comes back; what is older is no news. */
export const PUSH_LIMITS: PushLimits = {
  waiting: 1000,
  atOnce: 4,
  tries: 5,
  keepMs: 3_600_000,
  backoff: { firstMs: 500, mostMs: 60_000 },
  attemptMs: 5000,
};

export interface Delivery {
  /** `refused`: to try again would change nothing. `away`: nobody answers. */
  readonly outcome: 'delivered' | 'refused' | 'failed' | 'away';
  readonly why: string | null;
}

export type Order = { readonly targets: readonly Target[]; readonly limits: PushLimits } | { readonly event: Pushed };

export interface Counts {
  readonly delivered: number;
  readonly retried: number;
  readonly dropped: number;
  readonly waiting: number;
}

/** By target (keyOf): how many of each since the process began, and why the last attempt failed; null: it did not. */
export type Report = Readonly<Record<string, { readonly counts: Counts; readonly trouble: string | null }>>;

export function keyOf(target: Target): string {
  return JSON.stringify(target);
}

/** For people: a webhook's path may be a secret. */
export function nameOf(target: Target): string {
  return 'exec' in target ? `exec ${target.exec[0] ?? ''}` : `webhook ${new URL(target.webhook).origin}`;
}
