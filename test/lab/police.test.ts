/** What the daemon does where it may not police floods in the kernel. Needs root. */
import { expect, test } from 'vitest';
import { arp } from '../../native-fixtures/frames.ts';
import { AgentProcess, agentCommand } from '../../native-fixtures/lab/agent.ts';
import { Lab } from '../../native-fixtures/lab/lab.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('policing without privilege: skipped, it needs root to make network namespaces');

test.runIf(root)('without CAP_BPF every frame is judged, and status and log say why', async () => {
  await using lab = await Lab.create({ guests: ['cvm-1'] });
  const file = lab.writeFile('agent.json', lab.config());
  const without = ['setpriv', '--bounding-set=-bpf,-sys_admin', '--inh-caps=-bpf,-sys_admin'];
  const agent = new AgentProcess(lab.host, lab.socket, [...without, ...agentCommand('run', '--config', file)]);
  await agent.ready();
  const { notes } = await agent.api<{ notes: string[] }>('/api/v1/status');
  expect(notes).toContainEqual(expect.stringMatching(/^floods are not limited in the kernel \(bpf: .*EPERM/));
  expect(agent.process.stdout.some((line) => line.includes('floods are not limited'))).toBe(true);

  const guest = lab.guest('cvm-1');
  const wire = guest.openWire();
  for (let i = 0; i < 1000; i++) wire.send(arp({ source: guest.spec.mac, senderAddress: guest.spec.address }));
  wire.close();
  await expect
    .poll(async () => (await agent.metric('havip_frames_total')) + (await agent.metric('havip_capture_drops_total')), {
      timeout: 10_000,
    })
    .toBe(1000);
  expect(await agent.metric('havip_verdicts_total', { reason: 'rate-limited' })).toBe(0);
});
