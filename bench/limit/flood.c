/*
 * A bounded generator of Ethernet frames for benches: reads frames from stdin (each a length, u16 little-endian, then its bytes) and
 * sends them in turn on one interface at a steady rate. Run in a guest's network namespace.
 *
 *     flood INTERFACE FRAMES_PER_SECOND SECONDS      rate 0: as fast as sendmmsg(2) goes
 *
 * Ends when the time is over, or on SIGTERM; then prints `SENT SECONDS`. A frame that the interface refuses is tried again.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FRAMES = 1024, MOST_BYTES = 1514, MOST_BATCH = 64, BATCHES_PER_SECOND = 5000 };

static volatile sig_atomic_t ended;

static void end(int signal_number) {
  (void)signal_number;
  ended = 1;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(double due) {
  struct timespec time = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
  while (!ended && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
}

static int open_socket(const char *interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: sends only */
  if (fd < 0) fail("socket");
  int yes = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) < 0) fail("PACKET_QDISC_BYPASS");
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (address.sll_ifindex == 0) fail(interface);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  return fd;
}

static int read_frames(struct iovec *frames) {
  static uint8_t bytes[MOST_FRAMES][MOST_BYTES];
  uint8_t length[2];
  int count = 0;
  for (; count < MOST_FRAMES && fread(length, 2, 1, stdin) == 1; count++) {
    frames[count].iov_base = bytes[count];
    frames[count].iov_len = (size_t)(length[0] | length[1] << 8);
    if (frames[count].iov_len > MOST_BYTES || fread(bytes[count], frames[count].iov_len, 1, stdin) != 1) break;
  }
  return count;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: flood INTERFACE FRAMES_PER_SECOND SECONDS < FRAMES\n");
    return 2;
  }
  const double rate = atof(argv[2]), limit = atof(argv[3]);
  static struct iovec frames[MOST_FRAMES];
  const int count = read_frames(frames);
  if (count == 0) return 2;
  signal(SIGTERM, end);
  const int fd = open_socket(argv[1]);
  int batch = rate == 0 ? MOST_BATCH : (int)(rate / BATCHES_PER_SECOND);
  batch = batch < 1 ? 1 : batch > MOST_BATCH ? MOST_BATCH : batch;
  struct mmsghdr messages[MOST_BATCH];
  memset(messages, 0, sizeof messages);
  uint64_t sent = 0;
  const double from = now();
  while (!ended && now() - from < limit) {
    if (rate > 0) sleep_until(from + (double)sent / rate);
    for (int i = 0; i < batch; i++) {
      messages[i].msg_hdr.msg_iov = &frames[(sent + (uint64_t)i) % (uint64_t)count];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int done = sendmmsg(fd, messages, (unsigned)batch, 0);
    if (done > 0) sent += (uint64_t)done;
    else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sendmmsg");
  }
  printf("%llu %.6f\n", (unsigned long long)sent, now() - from);
  return 0;
}
