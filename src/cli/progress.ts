/** A progress bar on one line of a terminal: share done, rate, time left. Redrawn at most ten times a second. */
import type { Progress } from '../replay/replay.ts';
import { formatAge } from './table.ts';

const WIDTH = 30;
const REDRAW_MS = 100;
const ERASE_LINE = '\r\u001B[K';

export class ProgressBar {
  readonly #write: (text: string) => void;
  readonly #startMs = performance.now();
  #drawnMs = -Infinity;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  show({ doneBytes, totalBytes, frames }: Progress): void {
    const nowMs = performance.now();
    if (nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
    const seconds = (nowMs - this.#startMs) / 1000;
    const filled = Math.round(share * WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
    const rate = `${(frames / 1e6 / seconds).toFixed(1)} M frames/s`;
    const left = share > 0 ? `${formatAge((seconds / share - seconds) * 1000)} left` : '';
    this.#write(`${ERASE_LINE}${bar} ${Math.floor(share * 100)} %  ${rate}  ${left}`);
  }

  clear(): void {
    if (this.#drawnMs > 0) this.#write(ERASE_LINE);
  }
}
