/** An address outside that follows the holder: real keepalived, a router and a client beyond it. Needs root. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentProcess } from '../../native-fixtures/lab/agent.ts';
import type { Keepalived } from '../../native-fixtures/lab/keepalived.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';
import { CLIENT, EIP, Outside, withEip } from '../../native-fixtures/lab/outside.ts';
import { HAVIP } from '../../native-fixtures/lab/topology.ts';
import { until } from '../../native-fixtures/lab/until.ts';

interface Bound {
  readonly holder: { readonly instance: string } | null;
}

const SERVE = `
import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("${HAVIP}", 8080)); s.listen(1)
print("ready", flush=True)
c, peer = s.accept(); c.sendall(bytes(range(256)) * 8192); c.close(); print(peer[0], flush=True)`;
const FETCH = `
import socket, hashlib
s = socket.create_connection(("${EIP}", 8080), 10); d = b""
while True:
  p = s.recv(65536)
  if not p: break
  d += p
print(len(d), hashlib.sha256(d).hexdigest() == hashlib.sha256(bytes(range(256)) * 8192).hexdigest())`;
/** What a UDP socket outside is told when nobody listens inside. */
const REFUSED = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(("${EIP}", 9)); s.send(b"x")
try: s.recv(10); print("answered")
except ConnectionRefusedError: print("refused")
except TimeoutError: print("nothing")`;

/** Takes connections, and notes who began one, also where it comes to nothing. */
const LISTEN = `
import socket, struct, threading
def note():
  r = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0800))
  while True:
    f = r.recv(2048)
    if f[23] == 6 and f[30:34] == socket.inet_aton("${HAVIP}") and f[47] == 2: print("asked by", socket.inet_ntoa(f[26:30]), f[6:12].hex(":"), flush=True)
threading.Thread(target=note, daemon=True).start()
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("${HAVIP}", 8081)); s.listen(5)
print("ready", flush=True)
while True: s.accept()[0].close()`;
const ASK = `
import socket, sys
try: socket.create_connection((sys.argv[1], 8081), 3); print("connected")
except OSError: print("nothing")`;

describe.skipIf(process.getuid?.() !== 0)('an EIP (needs root)', () => {
  let lab: Lab;
  let outside: Outside;
  let agent: AgentProcess;
  let first: Keepalived;
  const holds = (name: string) =>
    agent.waitForApi<Bound>('/api/v1/havips/havip-1', `holder ${name}`, ({ holder }) => holder?.instance === name, 30_000);
  const answers = () => until('an answer through the EIP', async () => (await pings(1)) === 1, 20_000);
  const received = async () =>
    Number((await lab.guest('cvm-1').exec(['cat', '/sys/class/net/eth0/statistics/rx_packets'])).trim());
  const pings = async (count: number) => {
    const said = await outside.client.exec(['bash', '-c', `ping -n -i 0.05 -W 1 -c ${count} ${EIP} || true`]);
    return Number(/(\d+) received/.exec(said)?.[1] ?? 0);
  };

  beforeAll(async () => {
    lab = await Lab.create({ guests: ['cvm-1', 'cvm-2', 'client'] });
    outside = await Outside.build(lab.name, [lab.host]);
    agent = await lab.startAgent({ config: lab.config(withEip) });
    first = await lab.guest('cvm-1').keepalived();
    await holds('cvm-1');
    await lab.guest('cvm-2').keepalived();
    await answers();
  });
  afterAll(async () => {
    await outside?.[Symbol.asyncDispose]();
    lab?.destroy();
  });

  it('answers from outside, and is nowhere else', async () => {
    expect(await pings(20)).toBe(20);
    const neighbour = await outside.router.exec(['ip', 'neigh', 'show', EIP]);
    const mac = (await lab.host.exec(['cat', '/sys/class/net/ext0/address'])).trim();
    expect(neighbour).toContain(mac);
  });

  it('carries 2 MB over TCP, checksums right, and the guest sees the client as it is', async () => {
    const server = lab.guest('cvm-1').spawn(['python3', '-c', SERVE]);
    await server.line(/ready/);
    expect(await outside.client.exec(['python3', '-c', FETCH])).toContain(`${256 * 8192} True`);
    await server.line(new RegExp(`^${CLIENT}$`));
  });

  it('carries path MTU to the holder, and other errors from it', async () => {
    await lab.guest('cvm-1').exec(['bash', '-c', `ping -n -M do -s 1400 -c 2 -W 1 -I ${HAVIP} ${CLIENT} || true`]);
    expect(await lab.guest('cvm-1').exec(['ip', 'route', 'get', CLIENT, 'from', HAVIP])).toContain('mtu 1300');
    expect(await outside.client.exec(['python3', '-c', REFUSED])).toContain('refused');
    expect(await agent.metric('havip_eip_icmp_errors_total', { result: 'readdressed' })).toBeGreaterThanOrEqual(2);
  });

  it('follows the holder, of whom nothing is left', async () => {
    await first.stop();
    await holds('cvm-2');
    await answers();
    const before = await received();
    expect(await pings(100)).toBe(100);
    // VRRP adverts and announcements of five seconds, and not one of a hundred requests.
    expect((await received()) - before).toBeLessThan(40);
  });

  it('says nothing about what stays inside', async () => {
    const said = await lab.guest('cvm-2').exec(['bash', '-c', `ping -n -c 3 -i 0.2 -W 1 -I ${HAVIP} 172.17.16.100 || true`]);
    expect(said).toContain('3 received');
  });

  it('is no way to it from inside, where the HAVIP is asked', async () => {
    // Its VPC's gateway leads there, by the router outside.
    await lab.host.exec(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1']);
    await lab.host.ip('addr add 203.0.113.2/24 dev ext0', `route add ${EIP}/32 via 203.0.113.1`);
    const server = lab.guest('cvm-2').spawn(['python3', '-c', LISTEN]);
    await server.line(/ready/);
    const asked = (address: string) => lab.guest('client').exec(['python3', '-c', ASK, address]);
    expect(await asked(HAVIP)).toContain('connected');
    expect(await asked(EIP)).toContain('nothing');
    // It came to the holder, by the gateway's MAC; the answer is the HAVIP's own.
    await server.line(/asked by 172\.17\.16\.100 02:00:ac:11:10:01/);
    await server.stop();
  });
});
