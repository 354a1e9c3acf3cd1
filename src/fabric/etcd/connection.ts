/**
 * One channel to one member of the cluster, and what every call on it needs: deadline, credentials, and the word that a member without a
 * leader shall refuse rather than wait. The one door to gRPC. A connection that failed is closed, and the next one goes to another member
 * (session.ts): gRPC's own balancing and retries are off, as they hide which member answers and write a transaction twice.
 */
import {
  Client,
  credentials,
  Metadata,
  status,
  type ChannelCredentials,
  type ClientDuplexStream,
  type MethodDefinition,
} from '@grpc/grpc-js';
import { AUTHENTICATE } from './wire.ts';

export interface Access {
  /** PEM; null: in clear text. */
  readonly tls: { readonly ca: Buffer; readonly cert: Buffer | null; readonly key: Buffer | null } | null;
  readonly user: string | null;
  /** Asked for at each authentication, so that a changed file counts. */
  readonly password: () => string | null;
}

const REFUSALS: ReadonlySet<number> = new Set([
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.INVALID_ARGUMENT,
  status.UNIMPLEMENTED,
]);

export class StoreError extends Error {
  /** gRPC's status code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  /** An answer, and it will be no other however often it is asked. */
  get isRefusal(): boolean {
    return REFUSALS.has(this.code);
  }

  /** The token is of a life of the store that is over, or of rights that changed. */
  get isStaleToken(): boolean {
    return this.code === (status.UNAUTHENTICATED as number) || /auth store is old|user name is empty/.test(this.message);
  }
}

/**
 * etcd ends connections that ping more often than each 5 s. 10 s is behind the heartbeat, which finds what is half open.
 * Nothing in the way of a proxy of the environment.
 */
const CHANNEL = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.max_receive_message_length': 8 << 20,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
};

export class Connection {
  readonly endpoint: string;
  readonly #access: Access;
  readonly #client: Client;
  #token: string | null = null;
  #closed = false;

  /** @param endpoint `http://HOST:PORT` or `https://HOST:PORT` */
  constructor(endpoint: string, access: Access) {
    this.endpoint = endpoint;
    this.#access = access;
    this.#client = new Client(new URL(endpoint).host, credentialsOf(endpoint, access), CHANNEL);
  }

  /** One try; with a new token once more when the old one has ended. Throws StoreError. */
  async call<Q, A>(method: MethodDefinition<Q, A>, request: Q, deadlineMs: number): Promise<A> {
    if (this.#closed) throw new StoreError(status.CANCELLED, 'the connection is closed');
    if (this.#access.user !== null && this.#token === null) await this.#authenticate(deadlineMs);
    try {
      return await this.#once(method, request, deadlineMs);
    } catch (error) {
      if (this.#access.user === null || !(error instanceof StoreError) || !error.isStaleToken) throw error;
      await this.#authenticate(deadlineMs);
      return this.#once(method, request, deadlineMs);
    }
  }

  /** Ends with `error` whatever ends it; after call(), which has seen to the token. */
  stream<Q, A>(method: MethodDefinition<Q, A>): ClientDuplexStream<Q, A> {
    const { path, requestSerialize, responseDeserialize } = method;
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, this.#metadata());
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  async #authenticate(deadlineMs: number): Promise<void> {
    this.#token = null;
    // bcrypt makes it slow on purpose.
    const request = { name: this.#access.user ?? '', password: this.#access.password() ?? '' };
    const { token } = await this.#once(AUTHENTICATE, request, deadlineMs + 1000);
    this.#token = token;
  }

  #once<Q, A>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Q, A>,
    request: Q,
    deadlineMs: number,
  ): Promise<A> {
    const options = { deadline: Date.now() + deadlineMs };
    return new Promise<A>((resolve, reject) => {
      // Closed while it authenticated, say: gRPC would throw an error of no code.
      if (this.#closed) return reject(new StoreError(status.CANCELLED, 'the connection is closed'));
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata(),
        options,
        (error, answer) => {
          if (error !== null) reject(new StoreError(error.code, error.details));
          else if (answer === undefined) reject(new StoreError(status.INTERNAL, 'an answer without a message'));
          else resolve(answer);
        },
      );
    });
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    metadata.set('hasleader', 'true');
    if (this.#token !== null) metadata.set('token', this.#token);
    return metadata;
  }
}

function credentialsOf(endpoint: string, { tls }: Access): ChannelCredentials {
  if (!endpoint.startsWith('https:')) return credentials.createInsecure();
  return credentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.cert ?? null);
}
