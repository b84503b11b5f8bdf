/* A heap in which the allocation that is due fails, for alloc.c and
 * alloc_start.c. The Makefile links them with --wrap, so that the core's
 * allocations, thread starts and eventfds come here. */
#ifndef HEAP_H
#define HEAP_H

#include <errno.h>

#include "harness.h"

static int due;        /* atomic: fails when it counts down to 0 */
static int live;       /* atomic: blocks allocated and not freed */
static int failed_now; /* atomic: it has failed */
static int no_thread, no_eventfd;

static int fails(void) {
  if (__atomic_load_n(&due, __ATOMIC_RELAXED) <= 0 ||
      __atomic_sub_fetch(&due, 1, __ATOMIC_RELAXED) != 0)
    return 0;
  __atomic_store_n(&failed_now, 1, __ATOMIC_RELAXED);
  errno = ENOMEM;
  return 1;
}

static void *counted(void *memory) {
  if (memory != NULL) __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
  return memory;
}

#define WRAP(name, parameters, arguments)                     \
  void *__real_##name parameters;                             \
  void *__wrap_##name parameters {                            \
    return fails() ? NULL : counted(__real_##name arguments); \
  }
WRAP(malloc, (size_t size), (size))
WRAP(calloc, (size_t count, size_t size), (count, size))

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size) {
  void *memory = fails() ? NULL : __real_realloc(old, size);
  return old == NULL ? counted(memory) : memory;
}

int __real_posix_memalign(void **out, size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size) {
  int rc = fails() ? ENOMEM : __real_posix_memalign(out, align, size);
  if (rc == 0) counted(*out);
  return rc;
}
void __real_free(void *memory);
void __wrap_free(void *memory) {
  if (memory != NULL) __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
  __real_free(memory);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg) {
  return no_thread ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);
}
int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags) {
  if (!no_eventfd) return __real_eventfd(value, flags);
  errno = EMFILE;
  return -1;
}

static void fail_the(int nth) {
  __atomic_store_n(&failed_now, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&due, nth, __ATOMIC_RELAXED);
}

/* Lets no allocation fail for now; which one was due. */
static int put_off(void) {
  return __atomic_exchange_n(&due, 0, __ATOMIC_RELAXED);
}

/* 1 if the one that was due came, and failed. */
static int has_failed(void) {
  put_off();
  return __atomic_load_n(&failed_now, __ATOMIC_RELAXED);
}

/* --- An engine that still serves ------------------------------------------ */

static ob_call_opts increment(int *input) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  opts.input = input;
  opts.input_size = sizeof *input;
  return opts;
}

/* Without a deadline, on the caller's stack: allocates nothing. */
static void serves(ob_engine *engine) {
  int input = 6;
  ob_call_opts opts = increment(&input);
  ob_result result;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  CHECK_EQ(*(const int *)ob_result_data(&result), 7);
}

/* --- Failing -------------------------------------------------------------- */

typedef int (*operation)(ob_engine *engine);

/* Fails the nth allocation of op, if it makes so many. The engine may be NULL.
 */
static int fail_once(operation op, ob_engine *engine, int nth) {
  int rc;
  fail_the(nth);
  rc = op(engine);
  if (!has_failed()) return rc;
  CHECK_EQ(rc, OB_ENOMEM);
  if (engine != NULL) serves(engine);
  return rc;
}

#endif
