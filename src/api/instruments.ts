/** What metrics are made of: series that are read when somebody asks, named with the product's prefix. Main thread. */
import { type Counter, type Gauge, Histogram, type Registry } from 'prom-client';

export const SHORT_SECONDS = [50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1];

type Set = (labels: Readonly<Record<string, string>>, value: number) => void;

/** `fill` sets every series anew at each scrape. */
export function labelled(
  kind: typeof Counter | typeof Gauge,
  name: string,
  help: string,
  labelNames: string[],
  registry: Registry,
  fill: (set: Set) => void,
): void {
  const metric = new kind({
    name: `havip_${name}`,
    help,
    labelNames,
    registers: [registry],
    collect() {
      metric.reset();
      let isKnown = false;
      fill((labels, value) => {
        isKnown = true;
        metric.inc(labels, value);
      });
      // Without labels prom-client leaves a 0 after a reset: what is not known is no 0.
      if (!isKnown && labelNames.length === 0) metric.remove();
    },
  });
}

export function byLabel(
  kind: typeof Counter | typeof Gauge,
  name: string,
  help: string,
  label: string,
  registry: Registry,
  read: () => Readonly<Record<string, number>>,
): void {
  labelled(kind, name, help, [label], registry, (set) => {
    for (const [value, count] of Object.entries(read())) set({ [label]: value }, count);
  });
}

export function single(
  kind: typeof Counter | typeof Gauge,
  name: string,
  help: string,
  registry: Registry,
  read: () => number,
): void {
  labelled(kind, name, help, [], registry, (set) => set({}, read()));
}

/** One that takes some turns to find out. */
export function gaugeLater(
  name: string,
  help: string,
  registry: Registry,
  read: () => Promise<number>,
  kind: typeof Gauge,
): void {
  const metric = new kind({
    name: `havip_${name}`,
    help,
    registers: [registry],
    async collect() {
      metric.set(await read());
    },
  });
}

export function histogram(name: string, help: string, buckets: number[], labelNames: string[], registry: Registry): Histogram {
  return new Histogram({ name: `havip_${name}`, help, buckets, labelNames, registers: [registry] });
}
