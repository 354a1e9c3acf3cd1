/** JSON values one behind the other without anything between them, as JSON-RPC over a stream sends them (RFC 7047, 4). Pure. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class JsonStream {
  readonly #mostChars: number;
  #text = '';
  #at = 0;
  #depth = 0;
  #quoted = false;

  /** @param mostChars of one value */
  constructor(mostChars: number) {
    this.#mostChars = mostChars;
  }

  /** The objects and arrays that are whole by now. Throws SyntaxError for what is no JSON, RangeError for what is too long. */
  feed(chunk: string): unknown[] {
    this.#text += chunk;
    const whole: unknown[] = [];
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (this.#quoted) {
        if (code === BACKSLASH) this.#at++;
        else this.#quoted = code !== QUOTE;
      } else if (code === QUOTE) this.#quoted = true;
      else if (code === 0x7b || code === 0x5b) this.#depth++;
      else if ((code === 0x7d || code === 0x5d) && --this.#depth <= 0) {
        whole.push(JSON.parse(this.#text.slice(0, this.#at + 1)));
        this.#text = this.#text.slice(this.#at + 1);
        this.#at = -1;
        this.#depth = 0;
      }
    }
    if (this.#text.length > this.#mostChars) throw new RangeError(`a message of more than ${this.#mostChars} characters`);
    return whole;
  }
}
