/** A certificate authority, a server on 127.0.0.1 and clients by name, made by openssl for a test. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

interface Certificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class Authority {
  readonly ca: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.ca = join(directory, 'ca.crt');
  }

  static async create(directory: string): Promise<Authority> {
    const made = new Authority(directory);
    const key = join(directory, 'ca.key');
    const subject = ['-subj', '/CN=havip test authority', '-days', '2', '-nodes'];
    await command(['openssl', 'req', '-x509', ...CURVE, '-keyout', key, '-out', made.ca, ...subject]);
    return made;
  }

  /** @param name common name: etcd's user, of a client */
  async issue(name: string): Promise<Certificate> {
    const path = (suffix: string) => join(this.#directory, `${name}.${suffix}`);
    writeFileSync(path('ext'), 'subjectAltName = IP:127.0.0.1\n');
    await command([
      'openssl',
      'req',
      '-new',
      ...CURVE,
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      path('key'),
      '-out',
      path('csr'),
    ]);
    const by = ['-CA', this.ca, '-CAkey', join(this.#directory, 'ca.key'), '-CAcreateserial', '-extfile', path('ext')];
    await command(['openssl', 'x509', '-req', '-in', path('csr'), '-out', path('crt'), '-days', '2', ...by]);
    return { ca: this.ca, cert: path('crt'), key: path('key') };
  }
}
