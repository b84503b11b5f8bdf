/* Answers, the host's own loop, deadlines. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../support/checks.h"
#include "host.h"

/* --- answers ---------------------------------------------------------------
 */

#define EACH 300u

static void call_all(void *arg, unsigned thread) {
  const struct callers *both = arg;
  unsigned i;
  for (i = 0; i < EACH && caller_mistakes() < 10; i++)
    callers_mixed(both, thread * 7 + i);
}

void show_answers(void) {
  struct callers both = callers_load();
  int64_t begin = caller_now_ms();
  crowd(CROWD, call_all, &both);
  printf(
      "%u threads, %u prices and %u waits, searches and errors between, "
      "each compared, in %" PRId64 " ms\n",
      CROWD, CROWD * EACH, CROWD * EACH, caller_now_ms() - begin);
}

/* --- loop ------------------------------------------------------------------
 */

#define WAIT_MS 2000
#define LEAST_TICKS 20u /* of 1,000 that there is time for */

struct watched {
  struct callers both;
  unsigned answered;      /* __atomic: waits that are over */
  unsigned ticks;         /* __atomic: of the host's loop */
  pthread_barrier_t gate; /* all threads wait at once, or a slow machine ticks
                           * while they come */
  unsigned before;        /* ticks when the gate opened; by one thread */
};

/* The first answer judges the loop: were it held up, it would be for long. */
static void wait_long(void *arg, unsigned thread) {
  struct watched *watched = arg;
  unsigned ticks;
  if (pthread_barrier_wait(&watched->gate) == PTHREAD_BARRIER_SERIAL_THREAD)
    __atomic_store_n(&watched->before,
                     __atomic_load_n(&watched->ticks, __ATOMIC_SEQ_CST),
                     __ATOMIC_SEQ_CST);
  caller_wait(&watched->both.clock, WAIT_MS, WAIT_MS - thread);
  if (__atomic_fetch_add(&watched->answered, 1, __ATOMIC_SEQ_CST) > 0) return;
  ticks = __atomic_load_n(&watched->ticks, __ATOMIC_SEQ_CST) -
          __atomic_load_n(&watched->before, __ATOMIC_SEQ_CST);
  if (ticks >= LEAST_TICKS) return;
  fprintf(stderr, "the host's loop ticked %u times while tools waited %d ms\n",
          ticks, WAIT_MS);
  _exit(1);
}

static void echo_peer(void *arg, unsigned thread) {
  int fd = *(int *)arg;
  char byte;
  (void)thread;
  while (read(fd, &byte, 1) == 1)
    if (write(fd, &byte, 1) != 1) break;
}

/* One turn: waits for the timer and the peer's echo, calls both plugins. */
static void turn(const struct callers *both, int timer, int peer,
                 unsigned ticks) {
  struct pollfd ready[2] = {{timer, POLLIN, 0}, {peer, POLLIN, 0}};
  uint64_t times;
  char byte = 'x';
  int seen = 0;
  if (write(peer, &byte, 1) != 1) caller_wrong("cannot write to the peer");
  while (seen != 3) {
    if (poll(ready, 2, 10000) <= 0) {
      caller_wrong("the host's loop saw nothing for 10 s");
      return;
    }
    if (ready[0].revents != 0 && read(timer, &times, 8) == 8) seen |= 1;
    if (ready[1].revents != 0 && read(peer, &byte, 1) == 1) seen |= 2;
  }
  caller_price(&both->pricing, ticks);
  if (caller_submitted(&both->clock) < 0) caller_wrong("clock is unhealthy");
}

void show_loop(void) {
  struct watched watched;
  const struct itimerspec every = {{0, 2000000}, {0, 2000000}};
  int ends[2], timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  struct crowd *waiting, *peer;
  unsigned ticks = 0;
  memset(&watched, 0, sizeof watched);
  watched.both = callers_load();
  pthread_barrier_init(&watched.gate, NULL, CROWD);
  if (timer < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
  timerfd_settime(timer, 0, &every, NULL);
  peer = crowd_begin(1, echo_peer, &ends[1]);
  waiting = crowd_begin(CROWD, wait_long, &watched);
  while (__atomic_load_n(&watched.answered, __ATOMIC_SEQ_CST) == 0) {
    turn(&watched.both, timer, ends[0], ticks);
    __atomic_store_n(&watched.ticks, ++ticks, __ATOMIC_SEQ_CST);
  }
  crowd_end(waiting);
  shutdown(ends[0], SHUT_RDWR);
  crowd_end(peer);
  printf(
      "the host's poll loop ticked %u times, with an echo and a call of each "
      "plugin at each tick, while %u threads waited %d ms in tools\n",
      ticks, CROWD, WAIT_MS);
}

/* --- deadlines -------------------------------------------------------------
 */

#define EXPIRIES 10u

static unsigned others; /* __atomic: answers beside the deadlines */
static unsigned ending; /* __atomic: threads that still expire */

static void expire_or_call(void *arg, unsigned thread) {
  const struct callers *both = arg;
  unsigned i;
  if (thread < CROWD / 2) {
    for (i = 0; i < EXPIRIES && caller_mistakes() == 0; i++)
      caller_expire(&both->clock, 20 + thread);
    __atomic_fetch_sub(&ending, 1, __ATOMIC_SEQ_CST);
    return;
  }
  for (i = 0; __atomic_load_n(&ending, __ATOMIC_SEQ_CST) != 0; i++) {
    callers_mixed(both, thread + i);
    __atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
  }
}

void show_deadlines(void) {
  struct callers both = callers_load();
  ending = CROWD / 2;
  crowd(CROWD, expire_or_call, &both);
  if (others < CROWD / 2) caller_wrong("only %u calls went on", others);
  check_database_deadline(getenv("PRICING_COPY"));
  printf(
      "%u waits of 3 s ended at 20 to 27 ms while %u rounds of other calls "
      "were answered; %u calls of a locked database at 2 s\n",
      CROWD / 2 * EXPIRIES, others, CROWD);
}
