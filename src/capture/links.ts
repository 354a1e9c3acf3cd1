/**
 * Which interface stands behind a port's name right now: a copy of the kernel's list of interfaces, kept by rtnetlink events
 * alone. Run by the thread that captures.
 *
 * The name is what a port is configured by; the index is what a socket is bound to. An interface can be deleted and created again
 * under the same name (another index), renamed away, or renamed to a name that a port waits for.
 */
import { type Link, LinkEvents, Rtnetlink } from '../abi/rtnetlink.ts';
import { assert } from '../base/assert.ts';

export class PortLinks {
  readonly #events = new LinkEvents(); // before the first list: what changes meanwhile is then an event
  readonly #kernel = new Rtnetlink();
  readonly #byIndex = new Map<number, Link>();
  readonly #byName = new Map<string, Link>();
  readonly #ports = new Map<string, number>();

  constructor() {
    for (const link of this.#kernel.links()) this.#remember(link);
  }

  /** Readable when something changed; for epoll. */
  get fd(): number {
    return this.#events.fd;
  }

  /** From now on drain() tells about this name. Returns the interface that has it, null while none does. */
  follow(port: number, name: string): Link | null {
    assert(!this.#ports.has(name), `interface ${name} is followed once`);
    this.#ports.set(name, port);
    return this.#byName.get(name) ?? null;
  }

  unfollow(name: string): void {
    this.#ports.delete(name);
  }

  /** Reports each change of a followed name in order: its interface as it is now, null when it has none any more. */
  drain(onChange: (port: number, link: Link | null) => void): void {
    let whole = true;
    while (!this.#events.drain((link, gone) => this.#apply(link, gone, onChange))) whole = false;
    if (!whole) this.#listAgain(onChange);
  }

  /** Events were lost; the kernel's list says what they would have led to. */
  #listAgain(onChange: (port: number, link: Link | null) => void): void {
    const links = this.#kernel.links();
    const present = new Set(links.map((link) => link.index));
    for (const link of this.#byIndex.values()) if (!present.has(link.index)) this.#apply(link, true, onChange);
    for (const link of links) this.#apply(link, false, onChange);
  }

  #apply(link: Link, gone: boolean, onChange: (port: number, link: Link | null) => void): void {
    const before = this.#byIndex.get(link.index);
    if (before !== undefined && (gone || before.name !== link.name)) {
      this.#forget(before);
      this.#tell(before.name, null, onChange);
    }
    if (gone) return;
    this.#remember(link);
    this.#tell(link.name, link, onChange);
  }

  #tell(name: string, link: Link | null, onChange: (port: number, link: Link | null) => void): void {
    const port = this.#ports.get(name);
    if (port !== undefined) onChange(port, link);
  }

  #remember(link: Link): void {
    this.#byIndex.set(link.index, link);
    this.#byName.set(link.name, link);
  }

  #forget(link: Link): void {
    this.#byIndex.delete(link.index);
    if (this.#byName.get(link.name)?.index === link.index) this.#byName.delete(link.name);
  }

  close(): void {
    this.#events.close();
    this.#kernel.close();
  }
}
