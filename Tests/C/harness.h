/* The C tests' harness: each test is a process of its own with a time limit.
 *
 *   TEST(name) { CHECK(1 + 1 == 2); }
 *   TEST_ABORTS(name, "text on stderr") { ... }
 *
 * A program runs all its tests, or those whose names it is given. Environment:
 * OB_TEST_SCALE multiplies time limits (sanitizers), OB_TEST_OPS the number of
 * operations (1 is CI's scale; 0.01 under a sanitizer). OB_LONG=1 runs the
 * long tests at their full length, with limits of 20 minutes. */
#ifndef HARNESS_H
#define HARNESS_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outboard.h"

typedef void (*test_fn)(void);
void test_add(const char *name, test_fn fn, const char *aborts);

#define TEST_REGISTER(name, aborts)                                \
  static void test_##name(void);                                   \
  __attribute__((constructor)) static void register_##name(void) { \
    test_add(#name, test_##name, aborts);                          \
  }                                                                \
  static void test_##name(void)
#define TEST(name) TEST_REGISTER(name, NULL)
#define TEST_ABORTS(name, text) TEST_REGISTER(name, text)

void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#define CHECK(condition)                                               \
  do {                                                                 \
    if (!(condition)) test_fail(__FILE__, __LINE__, "%s", #condition); \
  } while (0)
#define CHECK_EQ(got, want)                                                  \
  do {                                                                       \
    long long got_ = (long long)(got), want_ = (long long)(want);            \
    if (got_ != want_)                                                       \
      test_fail(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #got, got_, \
                want_, ob_err_name((int)got_));                              \
  } while (0)
/* The call gives this status, and its detail text contains the word. */
#define CHECK_FAILS(call, status, word)                           \
  do {                                                            \
    CHECK_EQ(call, status);                                       \
    if (strstr(ob_last_error_detail(), word) == NULL)             \
      test_fail(__FILE__, __LINE__, "detail \"%s\" lacks \"%s\"", \
                ob_last_error_detail(), word);                    \
  } while (0)

/* Operations at CI's scale, scaled. At least 1. */
uint64_t test_ops(double at_ci_scale);
/* The same, or all of them with OB_LONG=1. */
uint64_t test_full(double at_ci_scale, double all);
int test_long(void);
/* A fixed seed, printed; OB_TEST_SEED overrides it. */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);
uint64_t test_now(void);
void test_sleep_ms(unsigned ms);
/* Yields until *flag is not 0. The test's time limit is the bound. */
void test_await(const int *flag);
void test_pin(int cpu);
pthread_t test_thread(void *(*fn)(void *), void *arg);
void test_join(pthread_t thread);

/* --- An engine and common handlers ------------------------------------------
 */

/* Started with defaults changed by change (may be NULL). */
ob_engine *test_engine(void (*change)(ob_engine_opts *));
void test_stop(ob_engine *engine);
/* Asks for its libuv loop: from then on it sleeps there. */
void test_lend(ob_engine *engine);
/* The same; 0: it cannot be had, text says why. */
int test_ask(ob_engine *engine, char *text, size_t size);

/* Answers its int input plus 1; checks that it runs on its loop. */
void handle_increment(ob_request *request, void *input, size_t size,
                      void *user);
/* Stores the request in *(ob_request **)user and leaves it unanswered. */
void handle_keep(ob_request *request, void *input, size_t size, void *user);
/* Blocks the loop until *(int *)user is not 0, then answers 0. */
void handle_block(ob_request *request, void *input, size_t size, void *user);

ob_call_opts test_call(ob_handler handler, void *user);
/* Blocks the loop in the background until the gate is set. */
typedef struct test_blocker {
  int entered, gate;
  ob_ticket *ticket;
} test_blocker;
void test_block_loop(ob_engine *engine, test_blocker *blocker);
void test_unblock_loop(test_blocker *blocker);

#endif
