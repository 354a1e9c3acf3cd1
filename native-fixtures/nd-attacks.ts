/**
 * Forged neighbour discovery of a guest: what it does to a plain Linux neighbour was tried frame by frame, without a guard. Each line:
 *
 *     harm name frame | frame ...
 *
 *     harm    K: an entry that the victim had changed; N: one came where there was none; I: one that was being resolved; D: duplicate
 *             address detection failed; R: a route or prefix came or went; `.`: none on Linux (others may differ)
 *     frame   hexadecimal, with the names of TOKENS
 *
 * The attacker is fd00:16::9, 02:00:ac:11:10:09; it speaks in the name of the victim's neighbour fd00:16::7, 02:00:ac:11:10:07, to the
 * victim fd00:16::64, 02:00:ac:11:10:64; fe80::1 is the router. It sends from its own MAC unless the name says otherwise.
 */
export interface NdAttack {
  readonly name: string;
  /** Does it harm a Linux neighbour without a guard? */
  readonly harms: boolean;
  readonly frames: readonly Uint8Array[];
}

const address = (text: string) => text.replaceAll(' ', '');
const TOKENS: Readonly<Record<string, string>> = {
  $h: '86dd6000000000203aff',
  $a: '0200ac111009',
  $v: '0200ac111007',
  $c: '0200ac111064',
  $w: '00005e000233',
  $b: 'ffffffffffff',
  $m1: '333300000001',
  $m2: '333300000002',
  $mc: '3333ff000064',
  $mt: '3333ff000007',
  $T: address('fd000016 00000000 00000000 00000007'),
  $A: address('fd000016 00000000 00000000 00000009'),
  $C: address('fd000016 00000000 00000000 00000064'),
  $L: address('fe800000 00000000 0000acff fe111009'),
  $VL: address('fe800000 00000000 0000acff fe111007'),
  $G: address('fe800000 00000000 00000000 00000001'),
  $N: address('ff020000 00000000 00000000 00000001'),
  $R: address('ff020000 00000000 00000000 00000002'),
  $SC: address('ff020000 00000000 00000001 ff000064'),
  $ST: address('ff020000 00000000 00000001 ff000007'),
  $X: address('20010db8 00000000 00000000 00000001'),
  $U: '00'.repeat(16),
  $P: address('030440c0 00015180 00003840 00000000 20010db8 0bad0000 00000000 00000000'),
};

const TABLE = `
KID na-mcast-src-target $m1 $a $h $T $N 88009e4920000000 $T 0201 $a
KID na-mcast-src-own-ll $m1 $a $h $L $N 8800e1cb20000000 $T 0201 $a
KI na-unicast-O $c $a $h $T $C 88009fd220000000 $T 0201 $a
KI na-unicast-SO $c $a $h $T $C 88005fd260000000 $T 0201 $a
I na-unicast-none $c $a $h $T $C 8800bfd200000000 $T 0201 $a
ID na-mcast-none $m1 $a $h $T $N 8800be4900000000 $T 0201 $a
. na-mcast-S $m1 $a $h $T $N 88005e4960000000 $T 0201 $a
D na-no-option $m1 $a 86dd6000000000183aff $T $N 88005e6d20000000 $T
KID na-unknown-then-tlla $m1 $a 86dd6000000000283aff $T $N 8800a43f20000000 $T fa010000000000000201 $a
KID na-nonce-then-tlla $m1 $a 86dd6000000000283aff $T $N 8800661320000000 $T 0e016162636465660201 $a
D na-two-tlla-victim-first $m1 $a 86dd6000000000283aff $T $N 8800de2720000000 $T 0201 $v 0201 $a
KID na-two-tlla-attacker-first $m1 $a 86dd6000000000283aff $T $N 8800de2720000000 $T 0201 $a 0201 $v
. na-zero-length-option $m1 $a 86dd6000000000283aff $T $N 8800a44020000000 $T fa000000000000000201 $a
. na-tlla-zero-length $m1 $a $h $T $N 88009e4a20000000 $T 0200 $a
D na-slla-for-tlla $m1 $a $h $T $N 88009f4920000000 $T 0101 $a
. na-hop-254 $m1 $a 86dd6000000000203afe $T $N 88009e4920000000 $T 0201 $a
. na-code-1 $m1 $a $h $T $N 88019e4820000000 $T 0201 $a
. na-bad-checksum $m1 $a $h $T $N 8800cb1c20000000 $T 0201 $a
KI na-dst-solicited-node $mc $a $h $T $SC 88009ee420000000 $T 0201 $a
KI na-eth-unicast-ip-mcast $c $a $h $T $N 88009e4920000000 $T 0201 $a
. na-dst-ff01 $m1 $a $h $T ff01000000000000000000000000000188009e4a20000000 $T 0201 $a
D na-foreign-tlla $m1 $a $h $T $N 88009e4b20000000 $T 0201 $v
KID na-tlla-broadcast $m1 $a $h $T $N 88005c6420000000 $T 0201 $b
KID na-tlla-zero $m1 $a $h $T $N 88005c6420000000 $T 0201000000000000
KID na-vmac-vmac $m1 $w $h $T $N 8800fc3020000000 $T 0201 $w
KID na-own-vmac $m1 $a $h $T $N 8800fc3020000000 $T 0201 $w
KID na-eth-padding $m1 $a $h $T $N 88009e4920000000 $T 0201 $a $U 00000000
. na-trailing-garbage-in-ip $m1 $a 86dd6000000000243aff $T $N 88009a3f20000000 $T 0201 $a 01020304
D na-plen-24-of-32 $m1 $a 86dd6000000000183aff $T $N 88005e6d20000000 $T 0201 $a
. na-version-5 $m1 $a 86dd5000000000203aff $T $N 88009e4920000000 $T 0201 $a
KID na-hbh $m1 $a 86dd60000000002800ff $T $N 3a0001040000000088009e4920000000 $T 0201 $a
KID na-dstopt $m1 $a 86dd6000000000283cff $T $N 3a0001040000000088009e4920000000 $T 0201 $a
. na-dstopt-264 $m1 $a 86dd6000000001203cff $T $N 3a1f01fc $U $U $U $U $U $U $U $U $U $U $U $U $U $U $U 00000000000000000000000088009e4920000000 $T 0201 $a
KID na-hbh-dstopt $m1 $a 86dd60000000003000ff $T $N 3c000104000000003a0001040000000088009e4920000000 $T 0201 $a
. na-routing-4 $m1 $a 86dd6000000000382bff $T $N 3a02040000000000 $A 88009e4920000000 $T 0201 $a
. na-atomic-fragment $m1 $a 86dd6000000000282cff $T $N 3a0000000000123488009e4920000000 $T 0201 $a
. na-atomic-dstopt $m1 $a 86dd6000000000302cff $T $N 3c000000000012343a0001040000000088009e4920000000 $T 0201 $a
. na-two-fragments $m1 $a 86dd6000000000182cff $T $N 3a0000010000400088009e4920000000fd00001600000000 | $m1 $a 86dd6000000000182cff $T $N 3a0000100000400000000000000000070201 $a
. na-fragments-chain-cut $m1 $a 86dd6000000000102cff $T $N 3c000001000040023c02011400000000 | $m1 $a 86dd6000000000402cff $T $N 3c00000800004002 $U 3a0001040000000088009e4920000000 $T 0201 $a
. na-overlap-offset-0 $m1 $a 86dd6000000000182cff $T $N 3a0000010000400380008383000000000000000000000000 | $m1 $a 86dd6000000000182cff $T $N 3a0000010000400388009e4920000000fd00001600000000 | $m1 $a 86dd6000000000182cff $T $N 3a0000100000400300000000000000070201 $a
. na-behind-ah $m1 $a 86dd60000000003833ff $T $N 3a040000000001000000000100000000000000000000000088009e4920000000 $T 0201 $a
. na-behind-no-next-header $m1 $a 86dd6000000000203bff $T $N 88009e4920000000 $T 0201 $a
. na-behind-hip $m1 $a 86dd6000000000288bff $T $N 3a0000000000000088009e4920000000 $T 0201 $a
. na-behind-shim6 $m1 $a 86dd6000000000288cff $T $N 3a0000000000000088009e4920000000 $T 0201 $a
KID na-vlan-0 $m1 $a 81000000 $h $T $N 88009e4920000000 $T 0201 $a
KID na-vlan-0-twice $m1 $a 8100000081000000 $h $T $N 88009e4920000000 $T 0201 $a
KID na-8021ad-8021q $m1 $a 88a8000081000000 $h $T $N 88009e4920000000 $T 0201 $a
. na-snap $m1 $a 0050aaaa03000000 $h $T $N 88009e4920000000 $T 0201 $a
. na-6in6 $c $a 86dd60000000004829ff $A $C 6000000000203aff $T $N 88009e4920000000 $T 0201 $a
. na-jumbogram $m1 $a 86dd60000000000000ff $T $N 3a00c2040000002888009e4920000000 $T 0201 $a
KNI ns-src-victim-slla-unicast $c $a $h $T $C 8700c17500000000 $C 0101 $a
KNI ns-src-victim-slla-ethbcast $b $a $h $T $SC 8700c08700000000 $C 0101 $a
KNI ns-src-victim-unknown-slla $mc $a 86dd6000000000283aff $T $SC 8700c67d00000000 $C fa010000000000000101 $a
. ns-src-victim-no-slla $mc $a 86dd6000000000183aff $T $SC 87007fab00000000 $C
. ns-src-victim-slla-tlla $mc $a 86dd6000000000283aff $T $SC 8700016600000000 $C 0101 $v 0101 $a
. ns-src-victim-hop-64 $mc $a 86dd6000000000203a40 $T $SC 8700c08700000000 $C 0101 $a
D ns-dad-victim-nonce $mt $a $h $U $ST 8700454d00000000 $T 0e01616263646566
. ns-dad-victim-slla $mt $a $h $U $ST 8700be5f00000000 $T 0101 $a
KNI ns-dstopt $mc $a 86dd6000000000283cff $T $SC 3a000104000000008700c08700000000 $C 0101 $a
KNI ns-hbh $mc $a 86dd60000000002800ff $T $SC 3a000104000000008700c08700000000 $C 0101 $a
KNI ns-vlan-0 $mc $a 81000000 $h $T $SC 8700c08700000000 $C 0101 $a
KNI rs-src-victim-slla $m2 $a 86dd6000000000103aff $T $R 8500bf76000000000101 $a
. rs-unspecified-slla $m2 $a 86dd6000000000103aff $U $R 8500bc94000000000101 $a
KNI rs-dstopt $m2 $a 86dd6000000000183cff $T $R 3a000104000000008500bf76000000000101 $a
KNI ra-src-gateway-slla $m1 $a 86dd6000000000183aff $G $N 860076034000070800000000000000000101 $a
R ra-src-gateway-lifetime-0 $m1 $a 86dd6000000000103aff $G $N 86003c2f400000000000000000000000
R ra-unicast $c $a 86dd6000000000383aff $L $C 8600b5664000070800000000000000000101 $a $P
R ra-hbh $m1 $a 86dd60000000004000ff $L $N 3a000104000000008600b3dd4000070800000000000000000101 $a $P
. ra-atomic-fragment $m1 $a 86dd6000000000402cff $L $N 3a000000000012348600b3dd4000070800000000000000000101 $a $P
. ra-fragments-header-in-2nd $m1 $a 86dd6000000000182cff $L $N 3c000001000040053a01010c000000000000000000000000 | $m1 $a 86dd6000000000402cff $L $N 3c000010000040058600b3dd4000070800000000000000000101 $a $P
KNI redirect-onlink-victim $c $a 86dd6000000000303aff $G $C 8900c04000000000 $T $T 0201 $a
R redirect-via-attacker $c $a 86dd6000000000303aff $G $C 8900d32600000000 $L $X 0201 $a
. ins $m1 $a 86dd6000000000303aff $A $N 8d00f118000000000101 $a 0201 $a 0903000000000000 $T
. ina $m1 $a 86dd6000000000303aff $A $N 8e00f018000000000101 $a 0201 $a 0903000000000000 $T
`;

export const ND_ATTACKS: readonly NdAttack[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [harm = '', name = '', ...rest] = line.split(' ');
    return { name, harms: harm !== '.', frames: rest.join(' ').split('|').map(frameOf) };
  });

function frameOf(text: string): Uint8Array {
  const parts = text.trim().split(' ');
  return Buffer.from(parts.map((part) => TOKENS[part] ?? part).join(''), 'hex');
}
