/**
 * The manual page havip-agent(8) in the macros of man(7), from the commands' tables.
 */
/** A command, told. */
export interface Entry {
  readonly synopsis: string;
  readonly about: string;
  /** `--config FILE`, and what it is. */
  readonly options: readonly (readonly [flag: string, what: string])[];
  readonly notes: string | null;
  readonly exits: Readonly<Record<number, string>>;
}

const FILES = [
  ['/etc/havip-agent/agent.yaml', 'the configuration; see havip-agent.yaml(5)'],
  ['/run/havip-agent/agent.sock', 'where the agent answers, if its configuration says so; asked first by the commands here'],
] as const;

const ENVIRONMENT = [
  ['HAVIP_HTTP', 'where the agent answers: HOST:PORT or unix:/path. --http goes before it.'],
  ['NO_COLOR', 'no colours, also on a terminal.'],
] as const;

export function manualPage(entries: readonly Entry[], version: string): string {
  return [
    `.TH HAVIP\\-AGENT 8 "" "havip\\-agent ${roff(version)}" "System Administration"\n`,
    '.SH NAME\nhavip\\-agent \\- high\\-availability virtual IPs on a hypervisor\n',
    '.SH SYNOPSIS\n.B havip\\-agent\n.I COMMAND\n[\\-\\-help]\n',
    '.SH DESCRIPTION\n',
    text(
      'A high-availability virtual IP (HAVIP) is an address that the machines of one subnet, and nobody else, may claim by gratuitous ARP, as keepalived and Windows failover clusters do. havip-agent runs on every hypervisor host: it judges guests’ ARP and VRRP, has the kernel drop what may not pass, points the virtual switch at whoever holds each HAVIP, and explains every failover phase by phase. It never stands in the forwarding path: killed, it changes nothing.',
    ),
    '.SH COMMANDS\n',
    ...entries.map(commandText),
    '.SH ENVIRONMENT\n',
    ...ENVIRONMENT.map(([name, what]) => item(name, what)),
    '.SH FILES\n',
    ...FILES.map(([name, what]) => item(name, what)),
    '.SH SEE ALSO\n.BR havip\\-agent.yaml (5),\n.BR nft (8),\n.BR keepalived (8),\n.BR systemctl (1)\n',
  ].join('');
}

function commandText({ synopsis, about, options, notes, exits }: Entry): string {
  const codes = Object.entries(exits).map(([code, what]) => `${code} ${what}`);
  return [
    `.SS ${roff(synopsis)}\n`,
    text(about),
    ...options.map(([flag, what]) => item(flag, what)),
    ...(notes === null ? [] : ['.PP\n', text(notes)]),
    `.PP\nExit status: ${roff(codes.join(', '))}.\n`,
  ].join('');
}

function item(name: string, what: string): string {
  return `.TP\n.B ${roff(name)}\n${text(what)}`;
}

function text(paragraphs: string): string {
  return paragraphs
    .split('\n')
    .map((paragraph) => `${roff(paragraph)}\n`)
    .join('.PP\n');
}

/** No dot or quote may begin a line as if it were a macro, and a hyphen stays the one that is typed. */
function roff(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replaceAll('→', '\\(->')
    .replace(/^(?=[.'])/, '\\&');
}
