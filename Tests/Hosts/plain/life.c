/* fork, exit and dlclose with calls in flight. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../support/checks.h"
#include "host.h"

static int stopping; /* __atomic */

static void call_until_stopped(void *arg, unsigned thread) {
  unsigned i;
  for (i = 0; !__atomic_load_n(&stopping, __ATOMIC_RELAXED); i++)
    callers_mixed(arg, thread + i);
}

/* --- fork ------------------------------------------------------------------
 */

#define FORKS 300u
#define CHILD_STATUS 40

/* Both plugins say that they were forked; clock's init starts afresh. */
static void in_child(const void *arg, unsigned number) {
  const struct callers *both = arg;
  uint8_t *why = NULL;
  size_t size = 0;
  if (number % 3 == 0) exit(CHILD_STATUS); /* one that calls nothing */
  check_told(&both->pricing, "get_product_price", "{\"product_id\":1}");
  check_stays_told(&both->pricing, PRICING_CONFIG);
  check_told(&both->clock, "wait_both", "{\"first_ms\":1,\"second_ms\":1}");
  if (number % 3 == 1) {
    if (both->clock.abi->init(&why, &size) != 0)
      caller_wrong("clock's init in a child: %.*s", (int)size, (char *)why);
    caller_wait(&both->clock, 0, 1);
    caller_expire(&both->clock, 2);
  }
  exit(caller_mistakes() == 0 ? CHILD_STATUS : 1);
}

void show_fork(void) {
  struct callers both = callers_load();
  struct crowd *busy = crowd_begin(CROWD, call_until_stopped, &both);
  unsigned i;
  for (i = 0; i < FORKS && caller_mistakes() == 0; i++)
    check_fork(in_child, &both, i, CHILD_STATUS);
  __atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
  if (caller_mistakes() > 0) _exit(1);
  crowd_end(busy);
  check_no_children();
  printf(
      "%u forks with %u threads in calls: each child was told (pricing, "
      "clock), a third started clock afresh, all ended by exit(%d); the "
      "parent's calls were answered\n",
      FORKS, CROWD, CHILD_STATUS);
}

/* --- exit ------------------------------------------------------------------
 */

/* Threads that stay in calls: long waits, and prices one after the other. An
 * engine that is shut may answer with an error. */
static void stay(void *arg, unsigned thread) {
  const struct callers *both = arg;
  int32_t code;
  for (;;) {
    if (thread % 2 == 0)
      free(caller_call(&both->clock, "wait_both",
                       "{\"first_ms\":1,\"second_ms\":50000}", &code));
    else
      free(caller_call(&both->pricing, "get_product_price",
                       "{\"product_id\":1}", &code));
  }
}

static void say_ready(void) {
  puts("ready");
  fflush(stdout);
}

static void get_busy(void) {
  static struct callers both;
  int64_t before;
  both = callers_load();
  before = caller_submitted(&both.clock);
  crowd_begin(CROWD, stay, &both);
  await_submitted(&both.clock, before, CROWD / 2);
  say_ready();
}

void leave_by_exit(void) {
  get_busy();
  exit(7);
}

static void exit_here(void *arg, unsigned thread) {
  (void)arg, (void)thread;
  exit(7);
}

void leave_by_thread(void) {
  get_busy();
  crowd(1, exit_here, NULL);
}

/* main returns 7. */
void leave_by_return(void) {
  get_busy();
}

/* --- unload ----------------------------------------------------------------
 */

#define REOPENS 200u

static void wait_some(void *arg, unsigned thread) {
  const struct callers *both = arg;
  if (thread % 2 == 0)
    caller_wait(&both->clock, 300 + thread, 400);
  else
    caller_expire(&both->clock, 400 + thread);
}

/* As a host with several parts does: each opens, calls, closes. */
static void open_call_close(void *arg, unsigned thread) {
  unsigned i;
  (void)arg;
  for (i = 0; i < REOPENS; i++) {
    struct callers own = callers_load();
    if (i % 2 == 0)
      caller_price(&own.pricing, thread + i);
    else
      caller_wait(&own.clock, 0, 1);
    dlclose(own.pricing.image);
    dlclose(own.clock.image);
  }
}

void show_unload(void) {
  struct callers both = callers_load(), again;
  int64_t before = caller_submitted(&both.clock), after;
  struct crowd *waiting = crowd_begin(CROWD, wait_some, &both);
  await_submitted(&both.clock, before, CROWD);
  if (dlclose(both.pricing.image) != 0 || dlclose(both.clock.image) != 0)
    caller_wrong("dlclose: %s", dlerror());
  crowd_end(waiting);
  before = caller_submitted(&both.clock); /* its code is still there */
  again = callers_load();
  if (again.pricing.abi != both.pricing.abi ||
      again.clock.abi != both.clock.abi)
    caller_wrong("loaded again it is at another address");
  after = caller_submitted(&again.clock);
  if (after != before + 1)
    caller_wrong("loaded again it is another instance: %" PRId64
                 " calls, not %" PRId64,
                 after, before + 1);
  check_configure(&again.pricing, PRICING_CONFIG, 0);
  check_configure(&again.pricing, "{\"max_connections\":3}", 2);
  check_configure(&again.pricing, "{\"max_connections\":", 1);
  check_configure(&again.clock, CLOCK_CONFIG, 0);
  check_configure(&again.clock, "{\"timeout_ms\":7}", 2);
  check_configure(&again.clock, "{\"timeout_ms\":0}", 1);
  crowd(CROWD, open_call_close, NULL);
  callers_mixed(&again, 0);
  printf(
      "%u calls answered after dlclose; again: same address, same counters, "
      "configure 0 for the same, 2 for another, 1 for no configuration; "
      "%u threads opened, called and closed %u times each\n",
      CROWD, CROWD, REOPENS);
}
