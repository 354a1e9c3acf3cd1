/*
 * The same judgement as src/decode and src/filter, in C: what the machine can do. Built by bench/judge.ts, which writes frames and
 * compiled policy to a file, runs both, and demands the same hash of all verdicts and HAVIPs. What the bench's frames do not have is left
 * out: unicast VRRP, CARP, IP options, DHCP, redirects; and nobody holds anything.
 *
 * File: int32 words { frames, bytes, policy words }, then offsets, lengths, ports (int32 each), policy words, frame bytes.
 * Usage: judge FILE PASSES   prints: nanoseconds of the fastest pass, and the hash
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* In the order of src/base/verdict.ts; the bench passes nothing, the hash finds out when they differ. */
enum verdict {
  OWN_ADDRESS, PROBE, HAVIP_CLAIM, VRRP_ADVERT, VRRP_RESIGN, RARP_ANNOUNCE, CARP_ADVERT, OTHER_IP, NOT_HAVIP, FOREIGN_SUBNET, NOT_MEMBER,
  MAC_MISMATCH, MALFORMED, TAGGED, ENCAPSULATED, ETHERTYPE, RATE_LIMITED, VRRP_SOURCE, VRRP_CHECKSUM, VRRP_TTL, VRRP_MALFORMED,
  VRRP_NOT_HAVIP, FOREIGN_VRRP, VRRP_HIDDEN, PROBE_TAKEN, SOURCE, DHCP_OFFER, ND_MALFORMED, ND_HIDDEN, ROUTER_ADVERT, REDIRECT, FENCE, VMAC_HELD,
  ND_CHECKSUM, UNKNOWN_PORT
};
enum protocol { OTHER, ARP, RARP, VRRP };
enum { MAY_CLAIM = 1, ANY_SOURCE = 4 };
enum { NONE = -1, UNKNOWN = INT32_MIN, PORT_WORDS = 8, HAVIP_WORDS = 16, LOOKUP_WORDS = 4 };

struct sighting {
  int protocol, fault, vrrp_fault;
  uint32_t source_high, source_low;
  uint32_t operation, sender_high, sender_low, sender_address, target_high, target_low, target_address;
  uint32_t ip_source, ip_destination, ttl;
  uint32_t version, priority, address_count, addresses_at;
  int havip;
};

struct policy {
  const int32_t *words;
  int32_t port_count, ports_at, havips_at, lookup_mask, lookup_at;
};

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t u32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void decode_arp(const uint8_t *p, int captured, uint32_t type, struct sighting *s) {
  int reverse = type == 0x8035;
  s->protocol = reverse ? RARP : ARP;
  if (captured < 42) { s->fault = MALFORMED; return; }
  s->operation = u16(p + 20);
  s->sender_high = u16(p + 22);
  s->sender_low = u32(p + 24);
  s->sender_address = u32(p + 28);
  s->target_high = u16(p + 32);
  s->target_low = u32(p + 34);
  s->target_address = u32(p + 38);
  if (u32(p + 14) != 0x00010800 || u16(p + 18) != 0x0604) s->fault = MALFORMED;
  else if (reverse ? s->operation != 3 : s->operation != 1 && s->operation != 2) s->fault = MALFORMED;
}

static uint32_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static int checksum_right(const uint8_t *m, uint32_t length, uint32_t version, const struct sighting *s) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < length; i += 2) sum += u16(m + i);
  if (fold(sum) == 0xffff) return 1;
  if (version == 2) return 0;
  sum += (s->ip_source >> 16) + (s->ip_source & 0xffff) + 112 + length;
  if (fold(sum + (s->ip_destination >> 16) + (s->ip_destination & 0xffff)) == 0xffff) return 1;
  return fold(sum + 0xe000 + 0x0012) == 0xffff;
}

static void decode_message(const uint8_t *p, uint32_t at, int32_t length, struct sighting *s) {
  const uint8_t *m = p + at;
  s->vrrp_fault = VRRP_MALFORMED;
  if (length < 8) return;
  uint32_t version = m[0] >> 4, count = m[3];
  if ((m[0] & 15) != 1 || (version != 2 && version != 3)) return;
  int32_t exact = 8 + 4 * count + (version == 2 ? 8 : 0);
  if (length < exact || count == 0 || m[1] == 0) return;
  if ((version == 2 ? m[5] : (m[4] & 15) << 8 | m[5]) == 0) return;
  s->version = version;
  s->priority = m[2];
  s->address_count = count;
  s->addresses_at = at + 8;
  s->vrrp_fault = checksum_right(m, exact, version, s) ? NONE : VRRP_CHECKSUM;
}

static void decode_ipv4(const uint8_t *p, int captured, struct sighting *s) {
  if (captured < 24) return;
  uint32_t protocol = p[23];
  if (protocol != 112 && protocol != 51) return;
  int32_t header = (p[14] & 15) * 4, total = u16(p + 16);
  int sound = captured >= 34 && p[14] >> 4 == 4 && header >= 20 && total >= header && total <= captured - 14;
  int fragment = (u16(p + 20) & 0x3fff) != 0;
  int32_t at = 14 + header;
  if (protocol == 51) {
    if (!sound || (u16(p + 20) & 0x1fff) != 0 || at + 1 >= captured || p[at] != 112) return;
    at += (p[at + 1] + 2) * 4;
  }
  s->protocol = VRRP;
  if (captured < 34) { s->fault = MALFORMED; return; }
  s->ttl = p[22];
  s->ip_source = u32(p + 26);
  s->ip_destination = u32(p + 30);
  if (!sound || fragment) s->vrrp_fault = VRRP_MALFORMED;
  else decode_message(p, at, 14 + total - at, s);
}

static void decode_frame(const uint8_t *p, int captured, struct sighting *s) {
  s->protocol = OTHER;
  s->fault = s->vrrp_fault = NONE;
  if (captured < 14) { s->source_high = s->source_low = 0; s->fault = MALFORMED; return; }
  s->source_high = u16(p + 6);
  s->source_low = u32(p + 8);
  uint32_t type = u16(p + 12);
  if (type == 0x0806 || type == 0x8035) decode_arp(p, captured, type, s);
  else if (type == 0x0800) decode_ipv4(p, captured, s);
  else if (type == 0x86dd) return;
  else if (type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200) s->fault = TAGGED;
  else s->fault = type < 0x0600 ? ENCAPSULATED : ETHERTYPE;
}

static int32_t look_up(const struct policy *policy, int32_t vpc, int32_t address) {
  uint32_t mixed = (uint32_t)(vpc + 1) * 0x9e3779b1u ^ (uint32_t)address;
  for (uint32_t slot = (mixed ^ mixed >> 15) & policy->lookup_mask;; slot = (slot + 1) & policy->lookup_mask) {
    const int32_t *w = policy->words + policy->lookup_at + slot * LOOKUP_WORDS;
    if (w[0] == vpc && w[1] == address) return w[2];
    if (w[0] == -1) return UNKNOWN;
  }
}

static int is_member(const int32_t *havip, int32_t instance) {
  if (havip[3] < 0) return 1;
  for (int32_t i = 0; i < havip[3]; i++) if (havip[4 + i] == instance) return 1;
  return 0;
}

static const int32_t *havip_at(const struct policy *policy, int32_t havip) {
  return policy->words + policy->havips_at + havip * HAVIP_WORDS;
}

static int may_claim(const struct policy *policy, const int32_t *port, int32_t havip) {
  const int32_t *w = havip_at(policy, havip);
  return port[4] == w[1] && is_member(w, port[5]);
}

static int is_virtual(uint32_t high, uint32_t low) { return high == 0 && low >> 8 == 0x5e0001 && (low & 0xff) != 0; }

static int judge_arp(const struct policy *policy, int32_t index, const int32_t *port, int from_port, struct sighting *s) {
  int plain = from_port && s->sender_high == s->source_high && s->sender_low == s->source_low;
  int virtual = is_virtual(s->sender_high, s->sender_low) &&
                (from_port || (s->source_high == s->sender_high && s->source_low == s->sender_low));
  if (!plain && !virtual) return (s->sender_high & 0x0100) == 0 && (s->sender_high | s->sender_low) != 0 ? MAC_MISMATCH : MALFORMED;
  uint32_t address = s->sender_address;
  if (address == 0) {
    if (s->operation != 1) return MALFORMED;
    if (!plain) return MAC_MISMATCH;
    int32_t target = look_up(policy, port[3], (int32_t)s->target_address);
    return target == UNKNOWN || target == ~index || (target >= 0 && may_claim(policy, port, target)) ? PROBE : PROBE_TAKEN;
  }
  int32_t meaning = look_up(policy, port[3], (int32_t)address);
  if (meaning >= 0) {
    s->havip = meaning;
    if (havip_at(policy, meaning)[1] != port[4]) return FOREIGN_SUBNET;
    return is_member(havip_at(policy, meaning), port[5]) ? HAVIP_CLAIM : NOT_MEMBER;
  }
  if (meaning == ~index) return plain ? OWN_ADDRESS : MAC_MISMATCH;
  if (meaning == UNKNOWN && (address >> 24 >= 224 || address >> 24 == 127)) return MALFORMED;
  return NOT_HAVIP;
}

static int judge_rarp(const int32_t *port, const struct sighting *s) {
  uint32_t high = (uint32_t)port[1], low = (uint32_t)port[2];
  if (s->sender_high != high || s->sender_low != low || s->target_high != high || s->target_low != low) return MAC_MISMATCH;
  return s->sender_address == 0 && s->target_address == 0 ? RARP_ANNOUNCE : MALFORMED;
}

static int judge_vrrp(const struct policy *policy, const uint8_t *p, int32_t index, const int32_t *port, struct sighting *s) {
  int32_t source = look_up(policy, port[3], (int32_t)s->ip_source);
  if (source != ~index && !(source >= 0 && may_claim(policy, port, source))) return VRRP_SOURCE;
  if (s->ip_destination >> 28 == 14 && s->ttl != 255) return VRRP_TTL;
  int32_t first = s->vrrp_fault == NONE ? look_up(policy, port[3], (int32_t)u32(p + s->addresses_at)) : UNKNOWN;
  if (first >= 0 && !may_claim(policy, port, first)) { s->havip = first; return FOREIGN_VRRP; }
  if (s->vrrp_fault != NONE) return s->vrrp_fault;
  for (uint32_t i = 0; i < s->address_count; i++) {
    int32_t havip = look_up(policy, port[3], (int32_t)u32(p + s->addresses_at + 4 * i));
    if (havip < 0 || !may_claim(policy, port, havip)) continue;
    s->havip = havip;
    return s->priority == 0 ? VRRP_RESIGN : VRRP_ADVERT;
  }
  return VRRP_NOT_HAVIP;
}

static int judge_source(const struct policy *policy, const uint8_t *p, int32_t index, const int32_t *port, struct sighting *s) {
  if (port[6] & ANY_SOURCE) return OTHER_IP;
  int32_t source = look_up(policy, port[3], (int32_t)u32(p + 26));
  if (source == ~index || (source >= 0 && may_claim(policy, port, source))) return OTHER_IP;
  if (source >= 0) s->havip = source;
  return SOURCE;
}

static int judge(const struct policy *policy, const uint8_t *p, int32_t index, struct sighting *s) {
  s->havip = NONE;
  const int32_t *port = policy->words + policy->ports_at + index * PORT_WORDS;
  if (index < 0 || index >= policy->port_count || port[0] != 1) return UNKNOWN_PORT;
  if (s->fault != NONE) return s->fault;
  int from_port = s->source_high == (uint32_t)port[1] && s->source_low == (uint32_t)port[2];
  if (s->protocol == ARP) return judge_arp(policy, index, port, from_port, s);
  if (s->protocol == RARP) return from_port ? judge_rarp(port, s) : MAC_MISMATCH;
  if (!from_port && !((port[6] & MAY_CLAIM) && is_virtual(s->source_high, s->source_low))) return MAC_MISMATCH;
  if (s->protocol == OTHER) return u16(p + 12) == 0x0800 ? judge_source(policy, p, index, port, s) : OTHER_IP;
  return (port[6] & MAY_CLAIM) ? judge_vrrp(policy, p, index, port, s) : FOREIGN_VRRP;
}

static void *read_words(FILE *file, size_t count, size_t size) {
  void *words = malloc(count * size);
  if (words == NULL || fread(words, size, count, file) != count) { fputs("judge: the file is cut short\n", stderr); exit(3); }
  return words;
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) { fputs("usage: judge FILE PASSES\n", stderr); return 2; }
  int32_t *sizes = read_words(file, 3, 4);
  int32_t frames = sizes[0];
  int32_t *offsets = read_words(file, frames, 4), *lengths = read_words(file, frames, 4), *ports = read_words(file, frames, 4);
  int32_t *w = read_words(file, sizes[2], 4);
  uint8_t *bytes = read_words(file, sizes[1], 1);
  struct policy policy = { w, w[2], w[3], w[5], w[6], w[7] };
  double fastest = 1e18;
  uint32_t hash = 0;
  int32_t counts[UNKNOWN_PORT + 1] = { 0 };
  for (int pass = 0; pass < atoi(argv[2]); pass++) {
    double from = now_ns();
    hash = 0;
    for (int32_t i = 0; i < frames; i++) {
      struct sighting s;
      const uint8_t *p = bytes + offsets[i];
      decode_frame(p, lengths[i], &s);
      int verdict = judge(&policy, p, ports[i], &s);
      counts[verdict]++;
      hash = hash * 31 + (uint32_t)(verdict + 64 * (s.havip + 1));
    }
    double took = now_ns() - from;
    if (took < fastest) fastest = took;
  }
  printf("%.0f %u\n", fastest, hash);
  return counts[OWN_ADDRESS] < 0;
}
