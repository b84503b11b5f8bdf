/* The stall watchdog: what holds the loop is named while it does, nothing else
 * is, and an idle process is left asleep. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "outboard_uv.h"
#include "watching.h"

/* --- What is named -------------------------------------------------------- */

TEST(a_stalled_handler_is_named_while_it_stalls) {
  ob_engine *engine = watched(20 * MS);
  ob_stall last = OB_STALL_INIT;
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  await_found(1);
  CHECK(strcmp(seen.name, "blocker") == 0);
  CHECK(strcmp(seen.engine, "outboard") == 0);
  CHECK_EQ(seen.handler, (uintptr_t)handle_block);
  CHECK(seen.symbol[0] != '\0');
  CHECK(seen.held_ns >= 20 * MS);
  CHECK_EQ(seen.number, 1);
  CHECK_EQ(seen.frame_count, 0); /* no signal was named */
  CHECK_EQ(ob_inspect_stall(engine, &last), OB_OK);
  CHECK(strcmp(last.name, "blocker") == 0);
  CHECK_EQ(health_of(engine).state, OB_HEALTH_STALLED);
  CHECK(health_of(engine).stalled_ns >= 20 * MS);
  test_sleep_ms(100); /* one report for one stall */
  CHECK_EQ(found, 1);
  test_unblock_loop(&blocker);
  while (health_of(engine).state != OB_HEALTH_RUNNING) test_sleep_ms(1);
  test_block_loop(engine, &blocker); /* another */
  await_found(2);
  CHECK_EQ(seen.number, 2);
  test_unblock_loop(&blocker);
  CHECK_EQ(health_of(engine).stalls, 2);
  test_stop(engine);
  await_no_watchdog();
}

static void post_block(void *arg, int status) {
  (void)status;
  test_await(arg);
}

TEST(a_stalled_post_is_named_by_its_function) {
  ob_engine *engine = watched(20 * MS);
  int gate = 0;
  CHECK_EQ(ob_post(engine, post_block, &gate), OB_OK);
  await_found(1);
  CHECK_EQ(seen.handler, (uintptr_t)post_block);
  CHECK(seen.name[0] == '\0');
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  test_stop(engine);
}

static void timer_block(uv_timer_t *timer) {
  test_await(timer->data);
}

static void start_timer(ob_request *request, void *input, size_t size,
                        void *user) {
  static uv_timer_t timer;
  (void)input;
  (void)size;
  timer.data = user;
  CHECK_EQ(uv_timer_init(ob_uv_loop(ob_request_engine(request)), &timer), 0);
  CHECK_EQ(uv_timer_start(&timer, timer_block, 30, 0), 0);
  /* Not answered: so it is what waits for the callback. */
  *(ob_request **)(void *)((char *)user + 8) = request;
}

/* Without a name of its own it is told by what waits for an answer. */
TEST(a_stalled_timer_is_told_by_the_call_that_waits) {
  ob_engine *engine = watched(20 * MS);
  struct {
    int gate, pad;
    ob_request *request;
  } shared = {0, 0, NULL};
  ob_call_opts opts = test_call(start_timer, &shared);
  ob_ticket *ticket;
  opts.name = "waits for a timer";
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  await_found(1);
  CHECK(seen.handler == 0 && seen.name[0] == '\0');
  CHECK(strcmp(seen.pending, "waits for a timer") == 0);
  CHECK_EQ(ob_complete(shared.request, OB_OK, ob_result_none()), OB_OK);
  __atomic_store_n(&shared.gate, 1, __ATOMIC_RELEASE);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  test_stop(engine);
}

/* --- What is not ---------------------------------------------------------- */

static void handle_nap(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)input, (void)size, (void)user;
  ob_complete(request, OB_OK, ob_result_none());
}

/* Many short ones are no stall, however long they take together. */
TEST(a_busy_loop_is_no_stall) {
  ob_engine *engine = watched(2000 * MS);
  ob_call_opts opts = test_call(handle_nap, NULL);
  uint64_t until = test_now() + 300 * MS;
  opts.flags = OB_CALL_SYNC;
  while (test_now() < until) CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  CHECK_EQ(found, 0);
  CHECK_EQ(health_of(engine).state, OB_HEALTH_RUNNING);
  test_stop(engine);
}

static void post_busy(void *arg, int status) {
  uint64_t until = test_now() + 10 * MS;
  (void)arg;
  (void)status;
  while (test_now() < until) continue;
}

static void handle_busy(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input, (void)size;
  post_busy(user, OB_OK);
  ob_complete(request, OB_OK, ob_result_none());
}

/* One batch, which takes longer than a stall may. */
TEST(a_row_of_entries_of_one_lane_is_no_stall) {
  ob_engine *engine = watched(600 * MS);
  ob_call_opts opts = test_call(handle_busy, NULL);
  test_blocker blocker;
  int i;
  opts.flags = OB_CALL_SYNC;
  test_block_loop(engine, &blocker);
  for (i = 0; i < 80; i++) {
    CHECK_EQ(ob_post(engine, post_busy, NULL), OB_OK);
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  }
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(found, 0);
}

/* Asleep before it is watched, or after: no stall, and nobody wakes. */
TEST(nobody_wakes_while_the_loops_sleep) {
  ob_engine *a = watched(4 * MS), *b = watched(4 * MS);
  ob_call_opts opts = test_call(handle_nap, NULL);
  long before;
  int tid, reported;
  CHECK_EQ(ob_call(a, &opts, NULL), OB_OK);
  test_sleep_ms(300); /* some looks, until it has seen both asleep */
  tid = watchdog_thread();
  CHECK(tid != 0);
  before = sleeps_of(tid);
  reported = found;   /* a busy machine may have kept one from its sleep */
  test_sleep_ms(300); /* 300 looks, were there any */
  CHECK_EQ(sleeps_of(tid), before);
  CHECK_EQ(found, reported);
  test_stop(a);
  test_stop(b);
  await_no_watchdog();
}

/* The loop slept unwatched; waking, it tells. */
TEST(a_loop_that_wakes_is_watched_again) {
  ob_engine *engine = watched(20 * MS);
  test_blocker blocker;
  int i;
  for (i = 0; i < 5; i++) {
    test_sleep_ms(60); /* asleep, and found to be */
    test_block_loop(engine, &blocker);
    await_found(i + 1);
    test_unblock_loop(&blocker);
  }
  test_stop(engine);
}

/* --- The thread ----------------------------------------------------------- */

TEST(one_thread_for_all_and_none_after_the_last) {
  ob_engine *engines[3];
  ob_inspect_opts opts = watch_opts(50 * MS);
  int i;
  CHECK_EQ(watchdog_thread(), 0);
  for (i = 0; i < 3; i++) engines[i] = watched(50 * MS);
  while (watchdog_thread() == 0) test_sleep_ms(1); /* and checks for one */
  CHECK_EQ(ob_inspect(engines[0], NULL), OB_OK);
  test_stop(engines[0]);
  test_stop(engines[1]);
  CHECK(watchdog_thread() != 0);
  CHECK_EQ(ob_inspect(engines[2], NULL), OB_OK);
  await_no_watchdog();
  CHECK_EQ(ob_inspect(engines[2], &opts), OB_OK);
  while (watchdog_thread() == 0) test_sleep_ms(1);
  test_stop(engines[2]);
  await_no_watchdog();
}

static int leave;

static void slow_hook(const ob_stall *stall, void *user) {
  (void)stall;
  (void)user;
  __atomic_add_fetch(&found, 1, __ATOMIC_RELEASE);
  test_await(&leave);
  __atomic_add_fetch(&found, 1, __ATOMIC_RELEASE);
}

static void *let_leave(void *arg) {
  (void)arg;
  test_sleep_ms(50);
  __atomic_store_n(&leave, 1, __ATOMIC_RELEASE);
  return NULL;
}

/* Its user data may go when the switching off has returned. */
TEST(switching_off_waits_for_the_hook) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = watch_opts(5 * MS);
  test_blocker blocker;
  pthread_t thread;
  opts.on_stall = slow_hook;
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  test_block_loop(engine, &blocker);
  await_found(1);
  thread = test_thread(let_leave, NULL);
  CHECK_EQ(ob_inspect(engine, NULL), OB_OK);
  CHECK_EQ(__atomic_load_n(&found, __ATOMIC_ACQUIRE), 2);
  test_join(thread);
  test_unblock_loop(&blocker);
  test_stop(engine);
}

static void hook_that_switches_off(const ob_stall *stall, void *user) {
  (void)stall;
  CHECK_EQ(ob_inspect(user, NULL), OB_OK);
  __atomic_add_fetch(&found, 1, __ATOMIC_RELEASE);
}

TEST(a_hook_may_switch_off) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = watch_opts(5 * MS);
  test_blocker blocker;
  opts.on_stall = hook_that_switches_off;
  opts.stall_user = engine;
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  test_block_loop(engine, &blocker);
  await_found(1);
  test_unblock_loop(&blocker);
  await_no_watchdog();
  test_stop(engine);
}

/* --- The hook's user ------------------------------------------------------ */

static int destroyed; /* atomic */

static void destroy_user(void *user) {
  CHECK(user == &seen);
  __atomic_add_fetch(&destroyed, 1, __ATOMIC_RELEASE);
}

TEST(the_hooks_user_is_given_back_once) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = watch_opts(20 * MS), bad;
  opts.stall_destroy = destroy_user;
  bad = opts;
  bad.stall_ns = 0;
  CHECK_EQ(ob_inspect(engine, &bad), OB_EINVAL);
  CHECK_EQ(destroyed, 0);
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  CHECK_EQ(destroyed, 0);
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK); /* in place of the first */
  CHECK_EQ(destroyed, 1);
  CHECK_EQ(ob_inspect(engine, NULL), OB_OK);
  CHECK_EQ(destroyed, 2);
  opts.flags = OB_INSPECT_TIMES; /* not to be watched: not needed */
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  CHECK_EQ(destroyed, 3);
  opts.flags = OB_INSPECT_WATCH;
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  test_stop(engine);
  CHECK_EQ(destroyed, 4);
}
