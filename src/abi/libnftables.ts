/**
 * libnftables (man 3 libnftables), in-process: ruleset text in, in the network namespace of the calling thread.
 *
 * Good for structure (tables, chains, rules, sets). Not for a single element on a busy host: before each command it reads every
 * chain and set of the namespace, 0.19 ms with one VPC but 10 ms with 1,000. Nor for listing: it
 * reads every element, also for a terse list. vswitch/nftables/nfnetlink.ts does both directly. Both
 * output buffers must be drained before nft_ctx_free, or the process crashed at exit.
 */
import { openLibrary } from './native.ts';

const FILE = 'libnftables.so.1';
/** Characters of a command after which it is worth while to start afresh. */
const LARGE = 100_000;

/** libnftables refused a command; the message is its first complaint, on one line. */
export class NftablesError extends Error {
  override name = 'NftablesError';
}

type Context = { readonly nftContext: unique symbol };

function bindLibrary() {
  const library = openLibrary(FILE);
  return {
    create: library.bind<(flags: number) => Context | null>('void *nft_ctx_new(uint32_t flags)'),
    free: library.bind<(context: Context) => void>('void nft_ctx_free(void *context)'),
    run: library.bind<(context: Context, text: string) => number>('int nft_run_cmd_from_buffer(void *context, const char *text)'),
    bufferOutput: library.bind<(context: Context) => number>('int nft_ctx_buffer_output(void *context)'),
    bufferError: library.bind<(context: Context) => number>('int nft_ctx_buffer_error(void *context)'),
    output: library.bind<(context: Context) => string>('const char *nft_ctx_get_output_buffer(void *context)'),
    error: library.bind<(context: Context) => string>('const char *nft_ctx_get_error_buffer(void *context)'),
    setDryRun: library.bind<(context: Context, dry: boolean) => void>('void nft_ctx_set_dry_run(void *context, bool dry)'),
  };
}

export class Libnftables {
  readonly #c: ReturnType<typeof bindLibrary>;
  #context: Context | null;

  /** Throws NftablesError when the library is not installed. */
  constructor() {
    try {
      this.#c = bindLibrary();
    } catch (error) {
      throw new NftablesError(`${FILE} is missing: install nftables (${oneLine(String(error))})`);
    }
    this.#context = this.#create();
  }

  #create(): Context {
    const context = this.#c.create(0);
    if (context === null) throw new NftablesError('libnftables gave no context');
    if (this.#c.bufferOutput(context) !== 0 || this.#c.bufferError(context) !== 0) {
      throw new NftablesError('libnftables cannot buffer its output');
    }
    return context;
  }

  /** Runs the text as one transaction. Throws NftablesError; then nothing of it was done. */
  run(text: string): void {
    this.#command(text);
    if (text.length > LARGE) this.#renew();
  }

  /** What a context has read of the kernel's tables it keeps: 17 MB after the chains of 1,000 ports. */
  #renew(): void {
    this.close();
    this.#context = this.#create();
  }

  /** Would the kernel take it? Nothing is changed. Throws NftablesError when not. */
  tryOut(text: string): void {
    this.#c.setDryRun(this.#open(), true);
    try {
      this.#command(text);
    } finally {
      this.#c.setDryRun(this.#open(), false);
    }
  }

  #command(text: string): void {
    const context = this.#open();
    const result = this.#c.run(context, text);
    this.#c.output(context);
    const complaint = this.#c.error(context);
    if (result !== 0) throw new NftablesError(oneLine(complaint) || 'libnftables refused without saying why');
  }

  #open(): Context {
    if (this.#context === null) throw new NftablesError('libnftables is closed');
    return this.#context;
  }

  close(): void {
    if (this.#context === null) return;
    this.#c.output(this.#context);
    this.#c.error(this.#context);
    this.#c.free(this.#context);
    this.#context = null;
  }
}

/** The first complaint, without the place in the text and the lines that point at it. */
function oneLine(complaint: string): string {
  const [first = ''] = complaint.trim().split('\n');
  return first.replace(/^.*?Error: /, '').slice(0, 300);
}
