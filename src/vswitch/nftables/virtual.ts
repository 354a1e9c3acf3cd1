/** VRRP's virtual MACs as nft text. */

/** 00:00:5e:00:01:VRID, RFC 9568, 7.3; VRID 0 is none. */
export const VIRTUAL_MACS = '00:00:5e:00:01:01-00:00:5e:00:01:ff';
/** The same for bulk: a masked comparison costs less than a range. */
const ANY_VRID = 'ff:ff:ff:ff:ff:00';
const VRID_0 = '00:00:5e:00:01:00';
export const NOT_TO_VIRTUAL = `ether daddr & ${ANY_VRID} != ${VRID_0}`;
