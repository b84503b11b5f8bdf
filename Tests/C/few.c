/* Few free descriptors, or none: an engine starts and works. Its libuv loop can
 * be had, or says what it lacks, and what else takes descriptors does the same;
 * libuv alone would abort. What failed leaves nothing open, and what went well
 * has all that it will ever need. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "stream_kit.h"

#ifdef TEST_STATIC_UV
#define SYSTEM_UV 0
#else
#define SYSTEM_UV 1
#endif

#define MOST 20   /* descriptors that are free, at most */
#define ENOUGH 9  /* with so many a loop can be had: see the message */
#define TABLE 800 /* numbers from 512 on are among those that can be had */

/* Takes all numbers below the limit but these many, half of which are the
 * highest. */
static void leave_free(int count, int limit) {
  struct rlimit few;
  int fd = 0, i;
  CHECK(getrlimit(RLIMIT_NOFILE, &few) == 0);
  few.rlim_cur = (rlim_t)limit;
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  while (fd >= 0) fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  CHECK_EQ(errno, EMFILE);
  for (i = 0; i < count; i++) {
    fd = i % 2 == 0 ? limit - 1 - i / 2 : 3 + i / 2;
    CHECK(syscall(SYS_close, fd) == 0);
  }
}

/* AddressSanitizer wants some for its report. */
static void leave_many(void) {
  struct rlimit many;
  CHECK(getrlimit(RLIMIT_NOFILE, &many) == 0);
  many.rlim_cur = many.rlim_max;
  CHECK(setrlimit(RLIMIT_NOFILE, &many) == 0);
}

/* Of each kind one. Needs no descriptor any more. */
static void work(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  counter c = {0, 100, 0, 0, 0};
  ob_stream *stream;
  int value = 41, ran = 0;
  ob_result out;
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  opts = test_call(handle_increment, NULL);
  opts.input = &value;
  opts.input_size = sizeof value;
  opts.deadline_ns = 20 * S;
  CHECK_EQ(ob_call(engine, &opts, &out), OB_OK);
  CHECK_EQ(*(const int *)ob_result_data(&out), 42);
  ob_result_free(&out);
  opts = test_call(handle_count, &ran);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  stream = open_counter(engine, &c, 4);
  for (int i = 0; i < 100; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, 42);
  ob_stream_release(stream);
  await_count(&c.destroyed, 1, "its end");
  await_count(&ran, 1, "calls");
}

/* 1: made, used and destroyed. */
static int use_queue(ob_engine *engine) {
  int ran = 0, rc;
  ob_call_opts opts = test_call(handle_count, &ran);
  ob_cq_record record;
  rc = ob_cq_create(&opts.cq);
  if (rc != OB_OK) {
    CHECK_EQ(rc, OB_ESYSTEM);
    CHECK(strstr(ob_last_error_detail(), "RLIMIT_NOFILE") != NULL);
    CHECK(opts.cq == NULL);
    return 0;
  }
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  while ((rc = ob_cq_next(opts.cq, &record)) == OB_EAGAIN) test_sleep_ms(1);
  CHECK_EQ(rc, OB_OK);
  CHECK_EQ(record.status, OB_OK);
  CHECK_EQ(ob_cq_destroy(opts.cq), OB_OK);
  return 1;
}

/* 1: it has a libuv loop now. */
static int ask(ob_engine *engine) {
  char text[256];
  if (test_ask(engine, text, sizeof text)) return 1;
  CHECK(strstr(text, "RLIMIT_NOFILE") != NULL);
  return 0;
}

/* 1: an engine's loop could be had. */
static int try_with(int count) {
  int files = count_files(), threads = count_threads(), had, left;
  ob_engine *engine = test_engine(NULL);
  CHECK_EQ(count_files(), files);
  work(engine);
  had = ask(engine);
  left = count - (count_files() - files);
  if (!had) CHECK_EQ(ask(engine), 0);
  CHECK_EQ(count - (count_files() - files), left);
  work(engine);
  CHECK_EQ(use_queue(engine), left >= 2);
  CHECK_EQ(count - (count_files() - files), left);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 20 * S), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  while (count_threads() > threads + TOOL_THREADS) test_sleep_ms(1);
  /* libuv keeps a pipe of its own from the first loop on. */
  CHECK_EQ(count_files(), had ? files + 2 : files);
  return had;
}

static void each_count(int limit) {
  int had = 0, count, status;
  for (count = 0; count <= MOST; count++) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      int had_one;
      leave_free(count, limit);
      had_one = try_with(count);
      leave_many();
      exit(had_one ? 0 : 77);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 77))
      test_fail(__FILE__, __LINE__, "with %d free: status %x", count,
                (unsigned)status);
    if (had && WEXITSTATUS(status) != 0)
      test_fail(__FILE__, __LINE__, "fails with %d free, not with fewer",
                count);
    had = WEXITSTATUS(status) == 0;
    if (count == 0) CHECK(!had);
    if (count == ENOUGH) CHECK(had);
  }
}

TEST(a_low_limit) {
  each_count(64);
}

TEST(a_table_that_is_full) {
  each_count(TABLE);
}

/* Descriptors go and come while engines start. What is free when libuv asks is
 * not what was free a moment before: it gets what was reserved for it. */
static int hammering;
static void *hammer(void *arg) {
  uint64_t random = test_seed();
  int fds[16];
  (void)arg;
  while (get(&hammering)) {
    int i, count = (int)(test_random(&random) % 16);
    for (i = 0; i < count; i++)
      fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (test_random(&random) % 2 == 0) sched_yield();
    while (i-- > 0)
      if (fds[i] >= 0) close(fds[i]);
  }
  return NULL;
}

TEST(while_others_come_and_go) {
  int i, had = 0, refused = 0, rounds = (int)test_ops(2000), files;
  pthread_t thread;
  LEAVE_OUT_IF(SYSTEM_UV); /* which aborts, now and then: outboard.h */
  leave_free(ENOUGH + 4, 64);
  files = count_files();
  set(&hammering, 1);
  thread = test_thread(hammer, NULL);
  for (i = 0; i < rounds; i++) {
    ob_engine *engine = test_engine(NULL);
    if (ask(engine))
      had++;
    else
      refused++;
    flush(engine);
    test_stop(engine);
  }
  set(&hammering, 0);
  test_join(thread);
  printf("  %d had, %d refused\n", had, refused);
  CHECK(had > 0 && refused > 0);
  CHECK_EQ(count_files(), files + 2); /* libuv's pipe */
  leave_many();
}
