/** Findings that are about no HAVIP: of ports and subnets. Main thread. */
import type { Agent } from '../agent/agent.ts';
import { PROTOCOLS } from '../base/verdict.ts';
import { openSubnets, PORT_FINDING_KINDS, type PortFinding } from '../ledger/port-findings.ts';

const ND = PROTOCOLS.indexOf('nd');

export function portFindings(agent: Agent): PortFinding[] {
  const speaksIpv6 = (agent.workers?.framesByProtocol()[ND] ?? 0) > 0;
  return [
    ...agent.ledger.portFindings(agent.clock.nowNs()),
    ...agent.kernelRefusals.findings(agent.network),
    ...(speaksIpv6 ? openSubnets(agent.network) : []),
  ];
}

export function portFindingCounts(agent: Agent): Readonly<Record<PortFinding['kind'], number>> {
  const found = portFindings(agent);
  const count = (kind: PortFinding['kind']) => found.filter((finding) => finding.kind === kind).length;
  const [notListed, unlisted, source] = PORT_FINDING_KINDS;
  return { [notListed]: count(notListed), [unlisted]: count(unlisted), [source]: count(source) };
}
