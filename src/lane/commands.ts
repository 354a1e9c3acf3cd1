/** What goes between the main thread and a worker beside the lane's memory: the task at its start, commands, and troubles told. */
import type { MessagePort } from 'node:worker_threads';
import type { SourceOptions } from '../capture/open.ts';
import type { RingSocket } from '../capture/ring/socket.ts';
import type { RingNeeds } from '../capture/source.ts';

export interface WorkerTask {
  readonly lane: SharedArrayBuffer;
  readonly portVerdicts: SharedArrayBuffer;
  readonly commands: MessagePort;
  readonly source: SourceOptions;
}

/** A port that cannot be captured, in one line; the source tries again by itself. */
export interface WorkerTrouble {
  readonly port: number;
  readonly message: string;
}

/** Posted to the main thread. */
export type WorkerMessage = WorkerTrouble | RingNeeds;

/** What the main thread may ask of a worker; carried out between two batches, acknowledged in the lane. */
export type WorkerCommand =
  | {
      readonly do: 'policy';
      readonly policy: SharedArrayBuffer;
      readonly held: SharedArrayBuffer;
      /** For uplinks; null: there are none. */
      readonly elsewhere: SharedArrayBuffer | null;
    }
  | { readonly do: 'attach'; readonly port: number; readonly interface: string }
  | { readonly do: 'detach'; readonly port: number }
  | { readonly do: 'supply'; readonly rings: readonly RingSocket[]; readonly failed: number };
