/**
 * What of Open vSwitch's database (ovs-vswitchd.conf.db(5)) says who forwards an interface's frames, kept by the updates of a monitor
 * (RFC 7047, 4.1.5 and 4.1.6). Pure.
 *
 *     Open_vSwitch other_config | Bridge name, datapath_type, ports ─> Port interfaces ─> Interface name
 */
export const DATABASE = 'Open_vSwitch';
/** Tables and columns to be monitored. */
export const COLUMNS = {
  Open_vSwitch: { columns: ['other_config'] },
  Bridge: { columns: ['name', 'datapath_type', 'ports'] },
  Port: { columns: ['interfaces'] },
  Interface: { columns: ['name'] },
} as const;

type Table = keyof typeof COLUMNS;
type Row = Readonly<Record<string, unknown>>;
const TABLES = Object.keys(COLUMNS).filter((name): name is Table => name in COLUMNS);

export class Tables {
  readonly #rows: Record<Table, Map<string, Row>> = {
    Open_vSwitch: new Map(),
    Bridge: new Map(),
    Port: new Map(),
    Interface: new Map(),
  };

  /** A monitor's first answer, or an update; what is none is left alone. */
  apply(updates: unknown): void {
    for (const table of TABLES) {
      for (const [id, change] of Object.entries(fieldsOf(fieldsOf(updates)[table]))) {
        const { new: row } = fieldsOf(change);
        if (row === undefined) this.#rows[table].delete(id);
        else this.#rows[table].set(id, fieldsOf(row));
      }
    }
  }

  /** By interface, why what comes in by it is forwarded before nftables sees it; those that are not are left out. */
  bypasses(): Map<string, string> {
    const found = new Map<string, string>();
    const { Open_vSwitch: whole, Bridge: bridges, Port: ports, Interface: interfaces } = this.#rows;
    const offloads = [...whole.values()].some(({ other_config }) => settingIn(other_config, 'hw-offload') === 'true');
    for (const { name, datapath_type: datapath, ports: its } of bridges.values()) {
      const why = whyOf(String(name), datapath === 'netdev', offloads);
      if (why === null) continue;
      for (const port of idsIn(its)) {
        for (const id of idsIn(ports.get(port)?.['interfaces'])) {
          const one = interfaces.get(id)?.['name'];
          if (typeof one === 'string') found.set(one, why);
        }
      }
    }
    return found;
  }
}

function whyOf(bridge: string, isUserspace: boolean, offloads: boolean): string | null {
  if (isUserspace) {
    return `Open vSwitch reads its frames before nftables (bridge ${bridge}, datapath_type netdev); give the bridge datapath_type system, or the port a Linux bridge`;
  }
  if (!offloads) return null;
  return `Open vSwitch offloads flows of bridge ${bridge} (other_config:hw-offload), and those pass nftables by; turn that off, or give the port a Linux bridge`;
}

function fieldsOf(value: unknown): Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** `["uuid", ID]`, or `["set", [["uuid", ID], ...]]`. */
function idsIn(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  const [kind, content]: unknown[] = value;
  if (kind === 'uuid' && typeof content === 'string') return [content];
  return kind === 'set' && Array.isArray(content) ? content.flatMap(idsIn) : [];
}

/** Of `["map", [[key, value], ...]]`. */
function settingIn(value: unknown, wanted: string): string | null {
  const [, pairs]: unknown[] = Array.isArray(value) ? value : [];
  for (const pair of Array.isArray(pairs) ? pairs : []) {
    const [key, said]: unknown[] = Array.isArray(pair) ? pair : [];
    if (key === wanted) return String(said).toLowerCase();
  }
  return null;
}
