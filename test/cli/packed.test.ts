/** A capture by every road into `replay`: a file, standard input as a file and as a pipe, gzip, a named pipe. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const CAPTURE = 'native-fixtures/captures/keepalived-clean-stop.pcapng';
const folder = mkdtempSync(join(tmpdir(), 'havip-packed-'));
const config = join(folder, 'agent.yaml');
let plain: string;

function shell(script: string): string {
  return execFileSync('bash', ['-o', 'pipefail', '-c', script, process.execPath, CAPTURE, config, folder], { encoding: 'utf8' });
}

beforeAll(() => {
  writeFileSync(
    config,
    `host: { id: host-a }
vpcs:
  - { id: vpc-1, cidr: 172.17.0.0/16, subnets: [{ id: subnet-a, cidr: 172.17.16.0/24 }], havips: [{ id: havip-1, subnet: subnet-a, address: 172.17.16.3 }] }
ports:
  - { interface: tap7, instance: cvm-1, subnet: subnet-a, mac: "02:00:ac:11:10:07", addresses: [172.17.16.7] }
  - { interface: tap13, instance: cvm-2, subnet: subnet-a, mac: "02:00:ac:11:10:0d", addresses: [172.17.16.13] }
`,
  );
  plain = shell('"$0" dist/src/start.cjs replay "$1" --config "$2"');
});
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['standard input, a file', '"$0" dist/src/start.cjs replay - --config "$2" < "$1"'],
  [
    'standard input, a pipe in pieces',
    '(head -c 1 "$1"; sleep 0.2; tail -c +2 "$1") | "$0" dist/src/start.cjs replay - --config "$2"',
  ],
  ['standard input, gzip', 'gzip -c "$1" | "$0" dist/src/start.cjs replay - --config "$2"'],
  ['a gzip file', 'gzip -c "$1" > "$3/c.gz" && "$0" dist/src/start.cjs replay "$3/c.gz" --config "$2"'],
  ['a named pipe', '"$0" dist/src/start.cjs replay <(cat "$1") --config "$2"'],
])('%s', (_, script) => {
  expect(plain).toContain('cvm-1 -> cvm-2');
  expect(shell(script)).toBe(plain);
});

const refusal = (script: string) => shell(`${script} 2>&1 >/dev/null || echo "exit $?"`);

it('refuses a directory, and nothing at all, in one line', () => {
  expect(refusal('"$0" dist/src/start.cjs replay "$3" --config "$2"')).toMatch(/^havip-agent: .*: a directory\nexit 2\n$/);
  expect(refusal('"$0" dist/src/start.cjs replay - --config "$2" < /dev/null')).toMatch(
    /^havip-agent: standard input: neither pcap nor pcapng: it is empty\nexit 2\n$/,
  );
});
