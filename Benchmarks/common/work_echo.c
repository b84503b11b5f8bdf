/* TCP echo over loopback on the loop, with synchronous callers beside it (none
 * with producers=0). Each client sends 64 bytes and waits for them. The line's
 * operations are the calls; echo_* are the clients', echo_loop_ns is the loop's
 * CPU time for each echo (all of it: without calls and spinning, what an echo
 * costs). */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"

#define MESSAGE 64

typedef struct client {
  _Alignas(128) pthread_t thread;
  int fd;
  histogram hist;
} client;

#define MAX_CLIENTS 64

static client clients[MAX_CLIENTS];
static int clients_stop; /* atomic */
static int counting;     /* atomic: the measurement is on */
static uint64_t loop_ns; /* CPU time of the loop while measuring */
static char extra[384];

static int connect_to(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
    bench_fail("cannot connect to the echo server");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void exchange(int fd, char *text) {
  char back[MESSAGE];
  ssize_t got, have = 0;
  if (write(fd, text, MESSAGE) != MESSAGE) bench_fail("echo: short write");
  while (have < MESSAGE) {
    got = read(fd, back + have, (size_t)(MESSAGE - have));
    if (got <= 0) bench_fail("echo: the server closed the connection");
    have += got;
  }
  if (memcmp(text, back, MESSAGE) != 0) bench_fail("echo: wrong bytes");
}

static void *client_main(void *arg) {
  client *c = arg;
  char text[MESSAGE];
  unsigned turn = 0;
  uint64_t begin;
  memset(text, 'e', sizeof text);
  while (!__atomic_load_n(&clients_stop, __ATOMIC_RELAXED)) {
    memcpy(text, &turn, sizeof turn);
    turn++;
    begin = now_ns();
    exchange(c->fd, text);
    if (__atomic_load_n(&counting, __ATOMIC_RELAXED))
      hist_add(&c->hist, now_ns() - begin);
  }
  close(c->fd);
  return NULL;
}

void echo_begin(void) {
  int i, port;
  if (opt.connections > MAX_CLIENTS)
    bench_fail("too many connections; at most 64");
  port = bench_subject.echo(shared.subject);
  for (i = 0; i < opt.connections; i++) {
    clients[i].fd = connect_to(port);
    if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0)
      bench_fail("cannot start an echo client");
  }
}

static void read_cpu(void *arg) {
  *(uint64_t *)arg = thread_cpu_ns();
}

/* After the warm-up counting goes on, after the measurement off. */
void echo_toggle(void) {
  uint64_t cpu = 0;
  __atomic_store_n(&counting, !counting, __ATOMIC_RELAXED);
  if (!HAS(on_loop)) return;
  bench_subject.on_loop(shared.subject, read_cpu, &cpu);
  loop_ns = cpu - loop_ns;
}

int has_echo(void) {
  return HAS(echo) && HAS(sync);
}

const char *echo_end(double seconds) {
  static histogram all;
  int i;
  __atomic_store_n(&clients_stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < opt.connections; i++) {
    pthread_join(clients[i].thread, NULL);
    hist_merge(&all, &clients[i].hist);
  }
  snprintf(extra, sizeof extra,
           "\"echo_per_s\":%.0f,\"echo_p50_ns\":%llu,\"echo_p99_ns\":%llu,"
           "\"echo_loop_ns\":%.0f",
           (double)all.count / seconds,
           (unsigned long long)hist_quantile(&all, 0.5),
           (unsigned long long)hist_quantile(&all, 0.99),
           all.count == 0 ? 0 : (double)loop_ns / (double)all.count);
  return extra;
}

void run_echo(outcome *out) {
  start_subject();
  echo_begin();
  workers_run(sync_body, echo_toggle, out);
  out->extra = echo_end(out->seconds);
  stop_subject();
}
