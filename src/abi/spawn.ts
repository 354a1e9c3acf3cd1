/**
 * Child processes from a worker, which blocks in epoll and never turns an event loop: posix_spawn and waitpid (glibc), all
 * synchronous. node:child_process would need the loop to learn of exits. libuv waits for its own children by process id only, so
 * the two do not disturb each other.
 */
import * as libc from './libc.ts';
import { addressOf, openLibrary } from './native.ts';

const library = openLibrary('libc.so.6');
const posixSpawn = library.bind<
  (pid: Int32Array, path: string, actions: Buffer, attributes: null, argv: BigUint64Array, envp: BigUint64Array) => number
>('int posix_spawn(void *pid, const char *path, void *actions, void *attributes, void *argv, void *envp)');
const actionsInit = library.bind<(actions: Buffer) => number>('int posix_spawn_file_actions_init(void *actions)');
const actionsDestroy = library.bind<(actions: Buffer) => number>('int posix_spawn_file_actions_destroy(void *actions)');
const actionsOpen = library.bind<(actions: Buffer, fd: number, path: string, flags: number, mode: number) => number>(
  'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, uint32_t mode)',
);
const actionsDup2 = library.bind<(actions: Buffer, from: number, to: number) => number>(
  'int posix_spawn_file_actions_adddup2(void *actions, int from, int to)',
);
const waitpid = library.bind<(pid: number, status: Int32Array, options: number) => number>(
  'int waitpid(int pid, void *status, int options)',
);
const kill = library.bind<(pid: number, signal: number) => number>('int kill(int pid, int signal)');

/** More than sizeof(posix_spawn_file_actions_t), which is 80 on x86-64 and arm64. */
const ACTIONS_BYTES = 256;
const NO_ENVIRONMENT = BigUint64Array.of(0n);
const O_RDWR = 2;
const SIGKILL = 9;
const WNOHANG = 1;

export class ChildProcess {
  readonly pid: number;
  #reaped = false;

  /**
   * The environment is empty: what a child must know, its arguments say.
   * @param argv the program, by path, and its arguments
   * @param fd becomes descriptor 3 of the child; 0, 1 and 2 are /dev/null
   */
  constructor(argv: readonly string[], fd: number) {
    const actions = Buffer.alloc(ACTIONS_BYTES);
    const pid = new Int32Array(1);
    const args = new CStrings(argv);
    checked(actionsInit(actions));
    try {
      for (const standard of [0, 1, 2]) checked(actionsOpen(actions, standard, '/dev/null', O_RDWR, 0));
      checked(actionsDup2(actions, fd, 3));
      checked(posixSpawn(pid, argv[0] ?? '', actions, null, args.pointers, NO_ENVIRONMENT));
    } finally {
      actionsDestroy(actions);
    }
    this.pid = pid[0] as number;
  }

  kill(): void {
    if (!this.#reaped) kill(this.pid, SIGKILL);
  }

  /** True once it has ended; the kernel then forgets it. `block` waits for that. */
  reap(block: boolean): boolean {
    this.#reaped ||= waitpid(this.pid, new Int32Array(1), block ? 0 : WNOHANG) !== 0;
    return this.#reaped;
  }
}

/** `char *[]`, ended by a null pointer. Holds the strings as long as it lives. */
class CStrings {
  readonly pointers: BigUint64Array;
  readonly strings: readonly Buffer[];
  constructor(strings: readonly string[]) {
    this.strings = strings.map((text) => Buffer.from(`${text}\0`));
    this.pointers = BigUint64Array.from([...this.strings.map((bytes) => addressOf(bytes)), 0n]);
  }
}

/** These functions return the error number instead of setting errno. */
function checked(error: number): void {
  if (error !== 0) throw new libc.SystemError('posix_spawn', error);
}
