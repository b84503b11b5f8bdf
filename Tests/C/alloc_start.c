/* Beginning without memory: a thread's first call, the pool's first job, an
 * engine's start. As alloc.c; where it is a thread or a descriptor that cannot
 * be had, the status is OB_ESYSTEM. */
#include <dirent.h>

#include "heap.h"
#include "outboard_uv.h"

static uint64_t ran;

static void count_run(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK(ob_engine_current() == arg);
  ran++;
}

/* --- Threads that have never called --------------------------------------- */

static int call(ob_engine *engine) {
  int input = 6;
  ob_call_opts opts = increment(&input);
  opts.flags = OB_CALL_SYNC;
  return ob_call(engine, &opts, NULL);
}
static int post(ob_engine *engine) {
  return ob_post(engine, count_run, engine);
}

typedef struct fresh {
  operation op;
  ob_engine *engine;
  int nth, want;
} fresh;

static void *first_call(void *arg) {
  fresh *self = arg;
  CHECK_EQ(fail_once(self->op, self->engine, self->nth), self->want);
  serves(self->engine);
  return NULL;
}

/* Holds what records and lanes ended threads have left. */
static int hoarding, over;
static void *hoard(void *engine) {
  serves(engine);
  __atomic_add_fetch(&hoarding, 1, __ATOMIC_RELEASE);
  test_await(&over);
  return NULL;
}

static void first_call_fails(operation op, int allocations) {
  ob_engine *engine = test_engine(NULL);
  pthread_t hoarders[16];
  int nth, count = 0;
  for (nth = 1; nth <= allocations + 1; nth++) {
    fresh self = {op, engine, nth, nth <= allocations ? OB_ENOMEM : OB_OK};
    do {
      hoarders[count++] = test_thread(hoard, engine);
    } while (count % 3 != 0);
    while (__atomic_load_n(&hoarding, __ATOMIC_ACQUIRE) < count)
      test_sleep_ms(1);
    test_join(test_thread(first_call, &self));
  }
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  while (count > 0) test_join(hoarders[--count]);
  test_stop(engine);
}
TEST(first_call_of_a_thread) {
  first_call_fails(call, 2); /* record, lane */
}
TEST(first_post_of_a_thread) {
  first_call_fails(post, 3); /* and a block */
}

/* --- The pool ------------------------------------------------------------- */

static void handle_offloaded(ob_request *request, void *input, size_t size,
                             void *user) {
  int answer = *(int *)input + 1;
  CHECK(size == sizeof answer && user == NULL && ob_engine_current() == NULL);
  ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

static int offload(ob_engine *engine) {
  int input = 41, rc;
  ob_call_opts opts = increment(&input);
  ob_result result;
  opts.handler = handle_offloaded;
  opts.flags = OB_CALL_OFFLOAD;
  rc = ob_call(engine, &opts, &result);
  if (rc == OB_OK) CHECK_EQ(*(const int *)ob_result_data(&result), 42);
  return rc;
}

TEST(offloading) {
  ob_engine *engine = test_engine(NULL);
  CHECK_EQ(fail_once(offload, engine, 1), OB_ENOMEM); /* the request */
  no_thread = 1;
  CHECK_EQ(offload(engine), OB_ESYSTEM);
  no_thread = 0;
  serves(engine); /* by then the loop has given the request back */
  fail_the(1);    /* the pool thread's record, which it can do without */
  CHECK_EQ(offload(engine), OB_OK);
  CHECK(has_failed());
  CHECK_EQ(offload(engine), OB_OK);
  test_stop(engine);
}

/* --- Starting ------------------------------------------------------------- */

static int descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  int count = 0;
  CHECK(dir != NULL);
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count;
}

static int start(ob_engine *unused) {
  ob_engine *engine = (ob_engine *)(void *)&unused;
  int rc = ob_engine_start(&engine, NULL);
  CHECK((engine != NULL) == (rc == OB_OK));
  if (rc == OB_OK) test_stop(engine);
  return rc;
}

TEST(a_start) {
  int nth, before, files;
  CHECK_EQ(start(NULL), OB_OK);
  CHECK_EQ(ob_post(NULL, count_run, NULL), OB_EINVAL); /* this one's record */
  before = live;
  files = descriptors();
  for (nth = 1; nth <= 2; nth++) /* engine, pool */
    CHECK_EQ(fail_once(start, NULL, nth), OB_ENOMEM);
  no_thread = 1;
  CHECK_FAILS(start(NULL), OB_ESYSTEM, "thread");
  no_thread = 0;
  CHECK_EQ(fail_once(start, NULL, 3), OB_OK);
  CHECK_EQ(live, before);
  CHECK_EQ(descriptors(), files);
}

/* --- The libuv loop ------------------------------------------------------- */

static void cannot_be_had(ob_engine *engine, int nth, const char *why) {
  char text[256];
  fail_the(nth);
  CHECK_EQ(test_ask(engine, text, sizeof text), 0);
  if (nth != 0) CHECK(has_failed());
  if (strstr(text, why) == NULL) test_fail(__FILE__, __LINE__, "%s", text);
  serves(engine);
}

/* What it may need, and libuv's first allocation, which aborts when later ones
 * fail. */
TEST(a_loop_for_who_asks) {
  int rc = uv_replace_allocator(malloc, realloc, calloc, free), files;
  ob_engine *engine = test_engine(NULL);
  CHECK_EQ(rc, 0);
  test_lend(engine);
  test_stop(engine);
  files = descriptors();
  engine = test_engine(NULL);
  serves(engine);
  cannot_be_had(engine, 1, "no memory for the loop");
  cannot_be_had(engine, 2, "not enough memory");
  no_eventfd = 1;
  cannot_be_had(engine, 0, "too many open files");
  no_eventfd = 0;
  CHECK_EQ(descriptors(), files);
  test_lend(engine);
  serves(engine);
  test_stop(engine);
  CHECK_EQ(descriptors(), files);
}

#ifdef TEST_STATIC_UV
/* 1: the nth allocation was made, and failed. */
static int give_up(int nth) {
  ob_engine *engine = test_engine(NULL);
  int failed, made;
  char text[256];
  serves(engine);
  fail_the(nth);
  made = test_ask(engine, text, sizeof text); /* who asks must be answered */
  failed = has_failed();
  CHECK_EQ(made, !failed);
  serves(engine);
  test_lend(engine);
  serves(engine);
  test_stop(engine);
  return failed;
}

/* Where libuv would abort it is left, with what it had. The system's does. */
TEST(a_libuv_that_gives_up) {
  int nth = 1;
  CHECK_EQ(uv_replace_allocator(malloc, realloc, calloc, free), 0);
  while (give_up(nth)) nth++;
  printf("  %d allocations\n", nth - 1);
  CHECK(nth > 3);
}
#endif
