/** What the rules of both families say of VRRP's virtual MACs, and of the agent's life, as nft text. */

/** 00:00:5e:00:01:VRID, RFC 9568, 7.3; VRID 0 is none. */
export const VIRTUAL_MACS = '00:00:5e:00:01:01-00:00:5e:00:01:ff';
/** The same for bulk: a masked comparison costs less than a range. */
const ANY_VRID = 'ff:ff:ff:ff:ff:00';
const VRID_0 = '00:00:5e:00:01:00';
export const TO_VIRTUAL = `ether daddr & ${ANY_VRID} == ${VRID_0}`;
export const FROM_VIRTUAL = `ether saddr & ${ANY_VRID} == ${VRID_0}`;
/**
 * Asked in front of every rule about what somebody holds: the agent has been heard of lately. The elements run out when it is silent,
 * and the bridge then does as it would without it; the rest of the guard stays.
 */
export const ALIVE = 'ether type @alive';
export const NOT_TO_VIRTUAL = `ether daddr & ${ANY_VRID} != ${VRID_0}`;
