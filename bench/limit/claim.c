/*
 * The least that a claim can cost here: what the agent does between the kernel's timestamp and the acknowledged transaction, in C and
 * without a thought. One thread waits for a frame on one interface and, for each ARP packet, moves its sender address to itself in a
 * table of its own: the same four changes of elements in one nfnetlink batch. No judgement, no ledger, no second thread.
 *
 *     claim INTERFACE TABLE FROM       FROM: the interface that holds each address now
 *
 * Prints nanoseconds from timestamp to acknowledgement, a line for each claim, until end of input on stdin.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ARP_BYTES = 42, SENDER_MAC = 22, SENDER_ADDRESS = 28, BATCH_BYTES = 4096 };

static uint8_t batch[BATCH_BYTES];
static size_t used;
static uint32_t sequence;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static size_t open_message(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
  size_t at = used;
  struct nlmsghdr *header = (void *)(batch + at);
  *header = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST, .nlmsg_seq = ++sequence};
  struct nfgenmsg *generic = (void *)(header + 1);
  *generic = (struct nfgenmsg){.nfgen_family = family, .version = 0, .res_id = htons(resource)};
  used += sizeof *header + sizeof *generic;
  return at;
}

static void close_message(size_t at) { ((struct nlmsghdr *)(void *)(batch + at))->nlmsg_len = (uint32_t)(used - at); }

static size_t open_attribute(uint16_t type) {
  size_t at = used;
  ((struct nlattr *)(void *)(batch + at))->nla_type = type;
  used += sizeof(struct nlattr);
  return at;
}

static void close_attribute(size_t at) {
  ((struct nlattr *)(void *)(batch + at))->nla_len = (uint16_t)(used - at);
  while (used % 4 != 0) batch[used++] = 0;
}

static void put(uint16_t type, const void *value, size_t length) {
  size_t at = open_attribute(type);
  memcpy(batch + used, value, length);
  used += length;
  close_attribute(at);
}

static void put_nested_value(uint16_t type, const void *value, size_t length) {
  size_t at = open_attribute(type | NLA_F_NESTED);
  put(NFTA_DATA_VALUE, value, length);
  close_attribute(at);
}

static void put_change(uint16_t type, uint16_t flags, const char *table, const char *set, const void *key, size_t key_length,
                       const uint8_t *mac) {
  size_t message = open_message((NFNL_SUBSYS_NFTABLES << 8) | type, flags, NFPROTO_NETDEV, 0);
  put(NFTA_SET_ELEM_LIST_TABLE, table, strlen(table) + 1);
  put(NFTA_SET_ELEM_LIST_SET, set, strlen(set) + 1);
  size_t list = open_attribute(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
  size_t element = open_attribute(NFTA_LIST_ELEM | NLA_F_NESTED);
  put_nested_value(NFTA_SET_ELEM_KEY, key, key_length);
  if (mac != NULL) put_nested_value(NFTA_SET_ELEM_DATA, mac, 6);
  close_attribute(element);
  close_attribute(list);
  close_message(message);
}

static void encode_move(const char *table, const char *from, const char *to, const uint8_t *address, const uint8_t *mac) {
  uint8_t old_key[20] = {0}, new_key[20] = {0};
  memcpy(old_key, from, strlen(from));
  memcpy(old_key + 16, address, 4);
  memcpy(new_key, to, strlen(to));
  memcpy(new_key + 16, address, 4);
  used = 0;
  close_message(open_message(NFNL_MSG_BATCH_BEGIN, 0, 0, NFNL_SUBSYS_NFTABLES));
  put_change(NFT_MSG_DELSETELEM, 0, table, "flows", address, 4, NULL);
  put_change(NFT_MSG_DELSETELEM, 0, table, "holder", old_key, 20, NULL);
  put_change(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, "flows", address, 4, mac);
  put_change(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_ACK, table, "holder", new_key, 20, NULL);
  close_message(open_message(NFNL_MSG_BATCH_END, 0, 0, NFNL_SUBSYS_NFTABLES));
}

static void commit(int fd) {
  static uint8_t answer[8192];
  if (send(fd, batch, used, 0) < 0) fail("send to nfnetlink");
  ssize_t length = recv(fd, answer, sizeof answer, 0);
  if (length < 0) fail("receive from nfnetlink");
  const struct nlmsghdr *header = (void *)answer;
  const struct nlmsgerr *error = (const void *)(header + 1);
  if (header->nlmsg_type != NLMSG_ERROR || error->error == 0) return;
  errno = -error->error;
  fail("nfnetlink");
}

static int listen_on(const char *interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("socket");
  int yes = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) < 0) fail("SO_TIMESTAMPNS");
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  address.sll_ifindex = (int)if_nametoindex(interface);
  if (address.sll_ifindex == 0) fail(interface);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  return fd;
}

/* Nanoseconds of the wall clock at which the kernel took the next ARP packet; 0 when there is none. */
static int64_t next_claim(int fd, uint8_t *frame) {
  uint8_t control[256];
  for (;;) {
    struct iovec part = {frame, ETHER_MAX_LEN};
    struct sockaddr_ll from;
    struct msghdr message = {&from, sizeof from, &part, 1, control, sizeof control, 0};
    ssize_t length = recvmsg(fd, &message, 0);
    if (length < 0) return 0;
    if (length < ARP_BYTES || frame[12] != 0x08 || frame[13] != 0x06 || from.sll_pkttype == PACKET_OUTGOING) continue;
    struct timespec *time = (void *)CMSG_DATA(CMSG_FIRSTHDR(&message));
    return time->tv_sec * 1000000000LL + time->tv_nsec;
  }
}

int main(int count, char **arguments) {
  if (count != 4) return fputs("usage: claim INTERFACE TABLE FROM\n", stderr), 2;
  const char *interface = arguments[1], *table = arguments[2], *from = arguments[3];
  int frames = listen_on(interface);
  int switch_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (switch_fd < 0) fail("netlink");
  setlinebuf(stdout);
  puts("ready");
  struct pollfd waiting[2] = {{.fd = frames, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  while (waiting[1].revents == 0) {
    if (poll(waiting, 2, -1) < 0) fail("poll");
    uint8_t frame[ETHER_MAX_LEN];
    for (int64_t captured = next_claim(frames, frame); captured != 0; captured = next_claim(frames, frame)) {
      encode_move(table, from, interface, frame + SENDER_ADDRESS, frame + SENDER_MAC);
      commit(switch_fd);
      struct timespec now;
      clock_gettime(CLOCK_REALTIME, &now);
      printf("%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec - (long long)captured);
    }
  }
  return 0;
}
