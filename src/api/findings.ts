/** Findings that are about no HAVIP: of ports and subnets. Main thread. */
import type { Agent } from '../agent/agent.ts';
import { PROTOCOLS } from '../base/verdict.ts';
import { openSubnets, PORT_FINDING_KINDS, type PortFinding } from '../ledger/port-findings.ts';

const ND = PROTOCOLS.indexOf('nd');

export function portFindings(agent: Agent): PortFinding[] {
  const speaksIpv6 = (agent.workers?.framesByProtocol()[ND] ?? 0) > 0;
  return [
    ...agent.ledger.portFindings(agent.clock.nowNs()),
    ...agent.upkeep.findings(),
    ...(speaksIpv6 ? openSubnets(agent.network) : []),
  ];
}

export function portFindingCounts(agent: Agent): Readonly<Record<PortFinding['kind'], number>> {
  const found = portFindings(agent);
  const count = (kind: PortFinding['kind']) => found.filter((finding) => finding.kind === kind).length;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.fromEntries forgets its keys
  return Object.fromEntries(PORT_FINDING_KINDS.map((kind) => [kind, count(kind)])) as Record<PortFinding['kind'], number>;
}
