/** The key `store`: what it may say, and what it is told. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { configOf } from '../agent/hand.ts';

const withStore = (store: string) => `host: { id: h, vtep: 10.99.0.1 }\nstore:\n  ${store}\n`;

function mistakesIn(text: string): string[] {
  const parsed = parseConfig(text);
  return parsed.ok ? [] : parsed.mistakes.map(({ message }) => message);
}

describe('a store', () => {
  it('is null without a word of it, and has its defaults with endpoints alone', () => {
    expect(configOf('host: { id: h }').store).toBeNull();
    const config = configOf(withStore('endpoints: [http://10.0.0.1:2379, "http://[fd00::1]:2379"]'));
    expect(config.host).toEqual({ id: 'h', vtep: 0x0a630001 });
    expect(config.store).toEqual({
      endpoints: ['http://10.0.0.1:2379', 'http://[fd00::1]:2379'],
      prefix: '/havip/v1',
      tls: null,
      user: null,
      passwordFile: null,
      leaseSeconds: 30,
    });
  });

  it.each([
    ['endpoints: []', /at least/i],
    ['endpoints: [10.0.0.1:2379]', /must be http:/],
    ['endpoints: ["http://user:secret@10.0.0.1:2379"]', /must be http:/],
    ['endpoints: [https://10.0.0.1:2379]', /needs `tls`/],
    ['{ endpoints: [http://10.0.0.1:2379], tls: { ca: /ca } }', /in clear text/],
    ['{ endpoints: [https://10.0.0.1:2379], tls: { ca: /ca, cert: /c } }', /two files/],
    ['{ endpoints: [http://10.0.0.1:2379], user: u }', /go together/],
    ['{ endpoints: [http://10.0.0.1:2379], prefix: havip/ }', /must be like/],
    ['{ endpoints: [http://10.0.0.1:2379], leaseSeconds: 1 }', /5/],
  ])('that is wrong is refused: %s', (text, says) => {
    expect(mistakesIn(withStore(text)).join('\n')).toMatch(says);
  });
});
