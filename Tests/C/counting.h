/* Counting what the core asks of the kernel and of the allocator, and engines
 * to count with. Programs that include this are linked with --wrap (Makefile),
 * so that every raw system call and every allocation of the core comes here;
 * libuv's own allocations do, too. */
#ifndef COUNTING_H
#define COUNTING_H

#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "outboard_uv.h"

/* --- Counting ------------------------------------------------------------- */

/* WAKES: of a loop that sleeps in libuv, and of all that sleep on futexes. */
enum { ALLOCATIONS, FREES, WAKES, OTHERS, KINDS };
static uint64_t total[KINDS]; /* any thread, atomic */

#define COUNT(kind) __atomic_add_fetch(&total[kind], 1, __ATOMIC_RELAXED)

static inline uint64_t counted(int kind) {
  return __atomic_load_n(&total[kind], __ATOMIC_RELAXED);
}
static inline void count_anew(void) {
  int i;
  for (i = 0; i < KINDS; i++) __atomic_store_n(&total[i], 0, __ATOMIC_RELAXED);
}

#define WRAP(type, name, parameters, arguments)         \
  type __real_##name parameters;                        \
  type __wrap_##name parameters {                       \
    return COUNT(ALLOCATIONS), __real_##name arguments; \
  }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(int, posix_memalign, (void **out, size_t align, size_t size),
     (out, align, size))

void __real_free(void *memory);
void __wrap_free(void *memory) {
  if (memory != NULL) COUNT(FREES);
  __real_free(memory);
}

/* Reads six arguments whatever was passed, so perhaps one of its caller's
 * frame. */
long __real_syscall(long number, ...);
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...) {
  long a[6];
  va_list args;
  int i;
  va_start(args, number);
  for (i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  if (number == SYS_epoll_ctl ||
      (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAKE_BITSET))
    COUNT(WAKES);
  else
    COUNT(OTHERS);
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- Engines -------------------------------------------------------------- */

static inline void always_park(ob_engine_opts *opts) {
  opts->spin_ns = 0;
}

static inline ob_engine *counted_engine(void (*change)(ob_engine_opts *)) {
  int rc = uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc,
                                __wrap_free);
  CHECK_EQ(rc, 0);
  return test_engine(change);
}

static inline ob_stats stats_of(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  return stats;
}

static uint64_t ran; /* loop, atomic */

static inline void count_run(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK(ob_engine_current() == arg);
  __atomic_store_n(&ran, ran + 1, __ATOMIC_RELEASE);
}

static inline void node_run(ob_node *node, int status) {
  count_run(node != NULL ? ob_engine_current() : NULL, status);
}

static inline void handle_run(ob_request *request, void *input, size_t size,
                              void *user) {
  CHECK(size == 0 && user == NULL);
  count_run(input, OB_OK);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

/* Waits without a system call. */
static inline void await_ran(uint64_t want) {
  while (__atomic_load_n(&ran, __ATOMIC_ACQUIRE) < want) continue;
}

/* A post that posts itself again keeps the loop from sleeping. */
static int awake, turns; /* atomic */
static inline void stay_awake(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  __atomic_store_n(&turns, (turns + 1) & 0xffff, __ATOMIC_RELAXED);
  if (__atomic_load_n(&awake, __ATOMIC_RELAXED))
    CHECK_EQ(ob_post(arg, stay_awake, arg), OB_OK);
}

/* It spins, as this thread does: on two processors, if there are two. */
static inline void pin_and_stay(void *arg, int status) {
  test_pin(0);
  stay_awake(arg, status);
}
static inline void keep_awake(ob_engine *engine) {
  awake = 1;
  CHECK_EQ(ob_post(engine, pin_and_stay, engine), OB_OK);
  /* Until the loop's own lane has all the blocks it needs. */
  while (__atomic_load_n(&turns, __ATOMIC_RELAXED) < 1000) sched_yield();
}

static inline void let_sleep(ob_engine *engine) {
  uint64_t slept = stats_of(engine).sleeps;
  __atomic_store_n(&awake, 0, __ATOMIC_RELAXED);
  while (stats_of(engine).sleeps == slept) sched_yield();
}

/* A refusal, so that the loop thread has its record: made when first needed. */
static inline void warm_loop(void *arg, int status) {
  count_run(arg, status);
  CHECK_EQ(ob_post(NULL, count_run, arg), OB_EINVAL);
}

/* Puts more requests into this thread's cache than it ever uses at once. */
static inline void warm_up(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_run, NULL);
  ob_ticket *tickets[8];
  int i;
  opts.input = engine;
  CHECK_EQ(ob_post(engine, warm_loop, engine), OB_OK);
  for (i = 0; i < 8; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_all(tickets, 8, OB_FOREVER), OB_OK);
  for (i = 0; i < 8; i++) ob_ticket_release(tickets[i]);
}

#endif
