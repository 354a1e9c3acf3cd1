/**
 * A host of any size in a namespace of its own: a VPC for each port, the HAVIPs dealt out to the VPCs in turn, veth pairs as the ports
 * (`s0`) and their guests (`g0`).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess } from '../native-fixtures/lab/agent.ts';
import { createNamespaces, Namespace, removeNamespaces } from '../native-fixtures/lab/namespace.ts';
import { newLabName } from '../native-fixtures/lab/owner.ts';
import { projectRoot } from '../native-fixtures/lab/project.ts';

export interface Size {
  readonly ports: number;
  readonly havips: number;
}

export function macOf(port: number): string {
  return `02:00:00:00:${hex(port >> 8)}:${hex(port & 255)}`;
}

/** HAVIP h is one of VPC h modulo the number of ports. */
export function addressOf({ ports }: Size, havip: number): string {
  const nth = Math.floor(havip / ports);
  return `172.16.${1 + (nth >> 7)}.${1 + (nth & 127)}`;
}

export class ScaleHost {
  readonly size: Size;
  readonly namespace = new Namespace(`${newLabName()}.scale`);
  readonly #folder = mkdtempSync(join(tmpdir(), 'havip-scale-'));
  readonly #config = join(this.#folder, 'havip.json');
  readonly #socket = join(this.#folder, 'agent.sock');

  private constructor(size: Size) {
    this.size = size;
  }

  static async create(size: Size): Promise<ScaleHost> {
    const host = new ScaleHost(size);
    try {
      await createNamespaces([host.namespace]);
      const names = Array.from({ length: size.ports }, (_, i) => i);
      await host.namespace.ip(...names.map((i) => `link add s${i} type veth peer name g${i}`));
      await host.namespace.ip(...names.flatMap((i) => [`link set s${i} up`, `link set g${i} up`]));
      return host;
    } catch (error) {
      host.remove();
      throw error;
    }
  }

  /** Of the agent's API, as a configuration says it. */
  get listen(): string {
    return `unix:${this.#socket}`;
  }

  /** A configuration of the caller's own. */
  write(config: object): void {
    writeFileSync(this.#config, JSON.stringify(config));
  }

  /** @param moved this HAVIP has another address than it would, 172.16.250.`to` */
  writeConfig(moved: { readonly havip: number; readonly to: number } | null = null): void {
    const vpcs = Array.from({ length: this.size.ports }, (_, v) => this.#vpc(v, moved));
    const ports = vpcs.map((_, p) => {
      const port = { interface: `s${p}`, instance: `vm-${p}`, subnet: `subnet-${p}`, mac: macOf(p), addresses: ['172.16.0.2'] };
      return JSON.stringify(port);
    });
    const http = JSON.stringify({ listen: this.listen });
    const text = `{"host":{"id":"scale"},"vpcs":[\n${vpcs.join(',\n')}],\n"ports":[\n${ports.join(',\n')}],"http":${http}}\n`;
    writeFileSync(this.#config, text);
  }

  #vpc(v: number, moved: { readonly havip: number; readonly to: number } | null): string {
    const havips: string[] = [];
    for (let h = v; h < this.size.havips; h += this.size.ports) {
      const address = h === moved?.havip ? `172.16.250.${moved.to}` : addressOf(this.size, h);
      havips.push(JSON.stringify({ id: `havip-${h}`, subnet: `subnet-${v}`, address, members: [`vm-${v}`, `other-${v}`] }));
    }
    const subnet = JSON.stringify({ id: `subnet-${v}`, cidr: '172.16.0.0/16', gateway: '172.16.0.1' });
    return `{"id":"vpc-${v}","cidr":"172.16.0.0/16","subnets":[${subnet}],"havips":[\n${havips.join(',\n')}]}`;
  }

  /** As the README's unit runs it, in the real-time class. */
  startAgent(): AgentProcess {
    const program = join(projectRoot(), 'dist/src/start.cjs');
    const argv = ['chrt', '--rr', '1', process.execPath, program, 'run', '--config', this.#config];
    return new AgentProcess(this.namespace, this.#socket, argv);
  }

  /** Does the kernel let the guest claim this address? */
  async mayClaim(port: number, address: string): Promise<boolean> {
    const listed = await this.namespace.exec(['nft', 'list', 'set', 'netdev', 'havip', 'claims'], { limitMs: 60_000 });
    const octets = address
      .split('.')
      .map((octet) => hex(Number(octet)))
      .join('');
    return listed.includes(`"s${port}" . 0x${octets}`);
  }

  remove(): void {
    removeNamespaces([this.namespace]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Resident memory and CPU time of a process (man 5 proc). */
export function usageOf(pid: number): { readonly residentMb: number; readonly cpuMs: number } {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const TICK_MS = 10;
  return { residentMb: Number(kilobytes) / 1024, cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
