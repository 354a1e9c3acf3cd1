/** Labs end with the process that made them: also on Ctrl-C, a thrown error or process.exit(). */

export interface Mortal {
  /** Synchronous: it also runs while the process exits. */
  destroy(): void;
}

const living = new Set<Mortal>();
let watching = false;

export function endWithProcess(lab: Mortal): void {
  living.add(lab);
  watchOverProcess();
}

export function hasEnded(lab: Mortal): void {
  living.delete(lab);
}

function watchOverProcess(): void {
  if (watching) return;
  watching = true;
  process.on('exit', destroyAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      destroyAll();
      process.kill(process.pid, signal); // now with the default action, unless somebody else also listens
    });
  }
}

function destroyAll(): void {
  for (const lab of living) lab.destroy();
}
