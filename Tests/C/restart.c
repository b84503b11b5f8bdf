/* OB_FORK_RESTART: in a fork child the first call finds a fresh loop, once,
 * whoever makes it; a restart that fails harms nothing and is tried again. */
#include <errno.h>

#include "child.h"

static int started, stopped, hook_ran;

static int failing;

/* Answers a little later, so that callers who do not wait for it are seen. */
static void *answer_start(void *token) {
  test_sleep_ms(5);
  if (get(&failing)) {
    ob_start_done(token, OB_EBUSY, "not in this process yet");
    return NULL;
  }
  add(&started);
  ob_start_done(token, OB_OK, NULL);
  return NULL;
}

static void on_start(ob_engine *engine, ob_start_token *token, void *user) {
  ob_call_opts opts = test_call(handle_count, &hook_ran);
  (void)user;
  CHECK(ob_engine_current() == engine);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  pthread_detach(test_thread(answer_start, token));
}

static void on_stop(ob_engine *engine, void *user) {
  (void)user;
  CHECK(ob_engine_current() == engine);
  add(&stopped);
}

static void restarting(ob_engine_opts *opts) {
  opts->fork_policy = OB_FORK_RESTART;
  opts->on_start = on_start;
  opts->on_stop = on_stop;
}

static void handle_started(ob_request *request, void *input, size_t size,
                           void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK_EQ(get(&started), *(int *)user);
  ob_complete(request, OB_OK, ob_result_none());
}

static void handle_never(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)request;
  (void)input;
  (void)size;
  (void)user;
  CHECK(0);
}

/* --- One caller --- */

static void post_count(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  add(arg);
}

static int first_entry;

/* Each kind of entry may be the first. */
static void enter(void *arg) {
  ob_engine *engine = arg;
  int want = 2, posted = 0;
  ob_call_opts opts = test_call(handle_started, &want);
  ob_stats stats = OB_STATS_INIT;
  ob_ticket *ticket;
  if (first_entry == 0) {
    CHECK_EQ(ob_post(engine, post_count, &posted), OB_OK);
  } else if (first_entry == 1) {
    CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
    ob_ticket_release(ticket);
  } else if (first_entry == 2) {
    CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  } else {
    opts.flags = first_entry == 3 ? OB_CALL_SYNC : OB_CALL_OFFLOAD;
    if (first_entry == 4) opts.handler = handle_count;
    if (first_entry == 4) opts.user = &posted;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  flush(engine);
  CHECK_EQ(posted, first_entry == 0 || first_entry == 4);
  CHECK_EQ(get(&started), 2);
  CHECK_EQ(get(&hook_ran), 2);
  test_stop(engine);
  CHECK_EQ(get(&stopped), 1);
}

TEST(the_next_call_finds_a_fresh_loop) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  CHECK_EQ(get(&started), 1);
  for (first_entry = 0; first_entry < 5; first_entry++) {
    flush(engine);
    in_child(enter, engine);
  }
  flush(engine);
  CHECK_EQ(get(&started), 1); /* the parent's has not noticed */
  test_stop(engine);
  CHECK_EQ(get(&stopped), 1);
}

/* What the parent had queued or running is the parent's. */
TEST(the_parents_work_stays_with_the_parent) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  int ran = 0;
  ob_call_opts opts = test_call(handle_count, &ran);
  ob_ticket *held, *tickets[10];
  ob_request *request = keep(engine, NULL, &held);
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  for (int i = 0; i < 10; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  first_entry = 0;
  in_child(enter, engine);
  CHECK_EQ(ran, 0);
  test_unblock_loop(&blocker);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, NULL), OB_OK);
    ob_ticket_release(tickets[i]);
  }
  CHECK_EQ(ran, 10);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
  ob_ticket_release(held);
  test_stop(engine);
}

/* --- Several threads at once --- */

static void *call_first(void *engine) {
  int want = 2;
  ob_call_opts opts = test_call(handle_started, &want);
  for (int i = 0; i < 10; i++) CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  return NULL;
}

static void call_from_8_threads(void *arg) {
  ob_engine *engine = arg;
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) threads[i] = test_thread(call_first, engine);
  for (int i = 0; i < 8; i++) test_join(threads[i]);
  test_stop(engine);
}

/* One start for all; nobody gets in before its hook has answered. */
TEST(eight_threads_call_first) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  int rounds = (int)test_ops(20);
  while (rounds-- > 0) in_child(call_from_8_threads, engine);
  test_stop(engine);
}

/* --- Failing --- */

/* The Makefile links with --wrap. */
static int no_thread;
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg) {
  return no_thread ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);
}

/* Standard input, output and error are still the same files. */
static void check_standard_files(const struct stat *were) {
  struct stat is;
  for (int fd = 0; fd < 3; fd++)
    if (fstat(fd, &is) != 0 || is.st_ino != were[fd].st_ino ||
        is.st_dev != were[fd].st_dev)
      test_fail(__FILE__, __LINE__, "descriptor %d was closed", fd);
}

static void fail_then_succeed(void *arg) {
  ob_engine *engine = arg;
  ob_call_opts opts = test_call(handle_never, NULL);
  struct stat were[3];
  for (int fd = 0; fd < 3; fd++) CHECK(fstat(fd, &were[fd]) == 0);
  no_thread = 1;
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_ESYSTEM);
    check_standard_files(were);
  }
  no_thread = 0;
  flush(engine);
  CHECK_EQ(get(&started), 2);
  test_stop(engine);
}

TEST(a_failed_restart_is_tried_again) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  in_child(fail_then_succeed, engine);
  flush(engine);
  test_stop(engine);
}

static void fail_in_hook(void *arg) {
  ob_engine *engine = arg;
  ob_call_opts opts = test_call(handle_never, NULL);
  rest now = {1, count_files()};
  set(&failing, 1);
  for (int i = 0; i < 3; i++)
    CHECK_FAILS(ob_call(engine, &opts, NULL), OB_ESTART, "not in this process");
  set(&failing, 0);
  flush(engine);
  CHECK_EQ(get(&started), 2);
  test_stop(engine);
  CHECK_EQ(get(&stopped), 1);
  check_at_rest(&now); /* nor is anything left of the failed ones */
}

TEST(a_restart_whose_hook_fails_is_tried_again) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  in_child(fail_in_hook, engine);
  flush(engine);
  test_stop(engine);
}

/* --- What stays --- */

static int files_before;

static void restart_and_count(void *arg) {
  ob_engine *engine = arg;
  rest now = {2, files_before};
  flush(engine);
  check_at_rest(&now); /* the hook's thread has gone, too */
  test_stop(engine);
  now.threads = 1;
  check_at_rest(&now);
}

/* The child closes what it inherited of the parent's loop. */
TEST(a_restart_leaves_no_descriptor_behind) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  flush(engine);
  files_before = count_files();
  in_child(restart_and_count, engine);
  test_stop(engine);
}

static void flush_engine(void *engine) {
  flush(engine);
}

/* A grandchild restarts what its parent has restarted. */
static void restart_again(void *arg) {
  ob_engine *engine = arg;
  flush(engine);
  in_child(flush_engine, engine);
  flush(engine);
  test_stop(engine);
}

TEST(a_childs_child_restarts_too) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(restarting);
  in_child(restart_again, engine);
  test_stop(engine);
}
