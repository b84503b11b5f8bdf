/* fork, exit, signals and dlclose with calls of several plugins in flight. */
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

#include "guests.h"

static int stopping; /* __atomic */

static void call_until_stopped(void *arg, unsigned thread) {
  unsigned i;
  for (i = 0; !__atomic_load_n(&stopping, __ATOMIC_RELAXED); i++)
    guests_mixed(arg, thread + i);
}

/* A crowd whose threads take no signal that is meant for the process, as the
 * C host's modes expect of threads that they do not know. */
static struct crowd *crowd_apart(crowd_body body, void *arg) {
  struct crowd *begun;
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, &old);
  begun = crowd_begin(CROWD, body, arg);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return begun;
}

void beside_second(void (*mode)(void)) {
  struct guests second = guests_load("SC", RTLD_LOCAL);
  struct crowd *busy = crowd_apart(call_until_stopped, &second);
  mode();
  __atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
  crowd_end(busy);
}

/* --- exit ------------------------------------------------------------------
 */

static void stay_in_second(void *arg, unsigned thread) {
  const struct guests *second = arg;
  int32_t code;
  for (;;) {
    if (thread % 2 == 0)
      free(caller_call(
          &second->clock, "wait_both",
          "{\"first_ms\":1,\"second_ms\":50000,\"timeout_ms\":55000}", &code));
    else
      free(caller_call(&second->pricing, "get_product_price",
                       "{\"product_id\":1}", &code));
  }
}

void leave_beside_second(void (*leave)(void)) {
  static struct guests second;
  int64_t before;
  second = guests_load("SC", RTLD_LOCAL);
  before = caller_submitted(&second.clock);
  crowd_begin(CROWD, stay_in_second, &second);
  await_submitted(&second.clock, before, CROWD / 2);
  leave();
}

/* --- fork ------------------------------------------------------------------
 */

#define FORKS 100u
#define CHILD_STATUS 40

static void must_restart(const struct caller *clock) {
  uint8_t *why = NULL;
  size_t size = 0;
  if (clock->abi->init(&why, &size) != 0)
    caller_wrong("%s: init in a child: %.*s", clock->path, (int)size,
                 (char *)why);
  second_wait(clock, 0, 1);
}

/* All four say that they were forked; one clock started afresh is not the
 * other's start, and each keeps its configuration. */
static void in_child(const void *arg, unsigned number) {
  const struct guests *all = arg;
  const char *price = "{\"product_id\":1}";
  const char *waits = "{\"first_ms\":1,\"second_ms\":1}";
  if (number % 3 == 0) exit(CHILD_STATUS); /* one that calls nothing */
  check_told(&all->first.pricing, "get_product_price", price);
  check_told(&all->pricing, "get_product_price", price);
  check_stays_told(&all->first.pricing, PRICING_CONFIG);
  check_stays_told(&all->pricing, second_config());
  check_told(&all->first.clock, "wait_both", waits);
  check_told(&all->clock, "wait_both", waits);
  if (number % 3 == 1) {
    must_restart(&all->clock);
    check_told(&all->first.clock, "wait_both", waits);
    caller_expect(&all->clock, "wait_both",
                  "{\"first_ms\":1,\"second_ms\":9000}", 1,
                  "{\"error\":\"no answer: deadline expired\"}");
    must_restart(&all->first.clock);
  }
  exit(caller_mistakes() == 0 ? CHILD_STATUS : 1);
}

void show_fork_of_all(void) {
  struct guests all = guests_load("sScC", RTLD_LOCAL);
  struct crowd *busy = crowd_begin(CROWD, call_until_stopped, &all);
  unsigned i;
  for (i = 0; i < FORKS && caller_mistakes() == 0; i++)
    check_fork(in_child, &all, i, CHILD_STATUS);
  __atomic_store_n(&stopping, 1, __ATOMIC_RELAXED);
  if (caller_mistakes() > 0) _exit(1);
  crowd_end(busy);
  check_no_children();
  printf(
      "%u forks with %u threads in calls of four plugins: each child was told "
      "by all four, a third started the clocks afresh one after the other, all "
      "ended by exit(%d); the parent's calls were answered\n",
      FORKS, CROWD, CHILD_STATUS);
}

/* --- unload ----------------------------------------------------------------
 */

#define REOPENS 50u

/* Even threads wait in the first clock, odd ones in the second. */
static void wait_in_either(void *arg, unsigned thread) {
  const struct guests *all = arg;
  if (thread % 2 == 0)
    caller_wait(&all->first.clock, 300 + thread, 400);
  else
    second_wait(&all->clock, 300 + thread, 400);
}

/* Each opens, calls, closes, in an order of its own. */
static void open_call_close(void *arg, unsigned thread) {
  static const char *const orders[] = {"sScC", "CS", "cs", "Cc", "Ss"};
  unsigned i;
  (void)arg;
  for (i = 0; i < REOPENS; i++) {
    struct guests own = guests_load(orders[(thread + i) % 5], RTLD_LOCAL);
    void *images[] = {own.first.pricing.image, own.pricing.image,
                      own.first.clock.image, own.clock.image};
    unsigned n;
    guests_mixed(&own, thread + i);
    for (n = 0; n < 4; n++)
      if (images[n] != NULL && dlclose(images[n]) != 0)
        caller_wrong("dlclose: %s", dlerror());
  }
}

void show_unload_of_one(void) {
  struct guests all = guests_load("sScC", RTLD_LOCAL), again;
  int64_t first = caller_submitted(&all.first.clock),
          second = caller_submitted(&all.clock);
  struct crowd *waits = crowd_begin(CROWD, wait_in_either, &all);
  await_submitted(&all.first.clock, first, CROWD / 2);
  await_submitted(&all.clock, second, CROWD / 2);
  if (dlclose(all.first.pricing.image) != 0 ||
      dlclose(all.first.clock.image) != 0)
    caller_wrong("dlclose: %s", dlerror());
  guests_mixed(&all, 0); /* the second are not closed, the first still there */
  crowd_end(waits);
  again = guests_load("CcsS", RTLD_LOCAL);
  if (again.first.pricing.abi != all.first.pricing.abi ||
      again.first.clock.abi != all.first.clock.abi ||
      again.pricing.abi != all.pricing.abi || again.clock.abi != all.clock.abi)
    caller_wrong("loaded again it is at another address");
  check_configure(&again.first.pricing, PRICING_CONFIG, 0);
  check_configure(&again.first.pricing, second_config(), 2);
  check_configure(&again.pricing, second_config(), 0);
  check_configure(&again.pricing, PRICING_CONFIG, 2);
  check_configure(&again.first.clock, CLOCK_CONFIG, 0);
  check_configure(&again.first.clock, SECOND_CLOCK_CONFIG, 2);
  check_configure(&again.clock, SECOND_CLOCK_CONFIG, 0);
  check_configure(&again.clock, CLOCK_CONFIG, 2);
  crowd(CROWD, open_call_close, NULL);
  guests_mixed(&again, 0);
  printf(
      "%u calls answered after dlclose of one pair, the other's went on; "
      "again: each is its own instance with its own configuration (0, and 2 "
      "for the other's); %u threads opened, called and closed %u times in "
      "five orders\n",
      CROWD, CROWD, REOPENS);
}
