/**
 * Reads our table's structure from the kernel. libnftables' own listing, even a terse one, took 1.8 s with 100,000 elements in the
 * table (nft 1.0.6 reads them all), and left out at which interfaces a chain hangs.
 */
import { attribute } from '../../abi/netlink.ts';
import type { Nfnetlink } from './nfnetlink.ts';
import { commentIn, eachAttribute, zeroTrimmed } from './wire.ts';

const GETTABLE = 1;
const GETCHAIN = 4;
const GETRULE = 7;
const GETSET = 10;
/** NFTA_TABLE_*, NFTA_CHAIN_*, NFTA_HOOK_*, NFTA_RULE_*, NFTA_SET_* */
const TABLE_FLAGS = 2;
const TABLE_DORMANT = 1;
const CHAIN_NAME = 3;
const CHAIN_HOOK = 4;
const CHAIN_POLICY = 5;
const HOOK_NUMBER = 1;
const HOOK_PRIORITY = 2;
const HOOK_DEVICE = 3;
const HOOK_DEVICES = 4;
const RULE_CHAIN = 2;
const RULE_HANDLE = 3;
const RULE_USERDATA = 7;
const SET_NAME = 2;
const SET_FLAGS = 3;
/** Of one rule, which wrote its values out. */
const SET_ANONYMOUS = 1;
const NF_ACCEPT = 1;

export interface FoundChain {
  /** null: not a base chain. `standard`: at ingress, priority 0, policy accept. */
  readonly hook: { readonly devices: readonly string[]; readonly standard: boolean } | null;
  /** Of its rules, in order; empty for a rule without one. */
  readonly comments: string[];
}

export interface FoundTable {
  /** Switched off as a whole. */
  readonly dormant: boolean;
  readonly chains: ReadonlyMap<string, FoundChain>;
  readonly sets: ReadonlySet<string>;
}

/** Empty when there is no table. */
export function readTable(nfnetlink: Nfnetlink): FoundTable {
  let dormant = false;
  nfnetlink.dump(GETTABLE, NOTHING, (body) => {
    dormant = ((attribute(body, 4, TABLE_FLAGS)?.readUInt32BE(0) ?? 0) & TABLE_DORMANT) !== 0;
  });
  const chains = new Map<string, FoundChain>();
  nfnetlink.dump(GETCHAIN, NOTHING, (body) => {
    const name = attribute(body, 4, CHAIN_NAME);
    if (name !== null) chains.set(zeroTrimmed(name), { hook: readHook(body), comments: [] });
  });
  const rules = new Map<bigint, readonly [chain: string, comment: string]>();
  nfnetlink.dump(GETRULE, NOTHING, (body) => {
    const chain = attribute(body, 4, RULE_CHAIN);
    const handle = attribute(body, 4, RULE_HANDLE);
    if (chain === null || handle === null) return;
    rules.set(handle.readBigUInt64BE(0), [zeroTrimmed(chain), commentIn(attribute(body, 4, RULE_USERDATA)) ?? '']);
  });
  for (const [chain, comment] of rules.values()) chains.get(chain)?.comments.push(comment);
  const sets = new Set<string>();
  nfnetlink.dump(GETSET, NOTHING, (body) => {
    const name = attribute(body, 4, SET_NAME);
    const flags = attribute(body, 4, SET_FLAGS)?.readUInt32BE(0) ?? 0;
    if (name !== null && (flags & SET_ANONYMOUS) === 0) sets.add(zeroTrimmed(name));
  });
  return { dormant, chains, sets };
}

const NOTHING = new Uint8Array(0);

function readHook(chain: Buffer): FoundChain['hook'] {
  const hook = attribute(chain, 4, CHAIN_HOOK);
  if (hook === null) return null;
  const number = (type: number) => attribute(hook, 0, type)?.readInt32BE(0) ?? 0;
  const devices: string[] = [];
  const list = attribute(hook, 0, HOOK_DEVICES);
  const only = attribute(hook, 0, HOOK_DEVICE);
  if (list !== null) eachAttribute(list, (device) => devices.push(zeroTrimmed(device)));
  else if (only !== null) devices.push(zeroTrimmed(only));
  const accepts = attribute(chain, 4, CHAIN_POLICY)?.readUInt32BE(0) === NF_ACCEPT;
  return { devices, standard: number(HOOK_NUMBER) === 0 && number(HOOK_PRIORITY) === 0 && accepts };
}
