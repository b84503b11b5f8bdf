/* The statistics: what the counters say is what was done.
 *
 * With the engine quiet, or its loop blocked, each is exact. */
#include "harness.h"

static ob_stats stats_of(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  CHECK_EQ(stats.size, sizeof stats);
  return stats;
}

/* Everything has been run, and counted. */
static ob_stats quiet_stats(ob_engine *engine) {
  ob_stats stats = stats_of(engine);
  while (stats.completed != stats.submitted) {
    test_sleep_ms(1);
    stats = stats_of(engine);
  }
  CHECK_EQ(stats.in_flight, 0);
  /* Off-loop completions wake as well. */
  CHECK(stats.wakes_written + stats.wakes_avoided >= stats.submitted);
  CHECK(stats.wakes_avoided <= stats.submitted);
  return stats;
}

static uint64_t ran;

static void count_run(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK(ob_engine_current() == arg);
  ran++;
}

static ob_call_opts increment(void) {
  static int input = 41;
  ob_call_opts opts = test_call(handle_increment, NULL);
  opts.input = &input;
  opts.input_size = sizeof input;
  return opts;
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_stats stats = {.submitted = 7};
  CHECK_FAILS(ob_engine_stats(engine, &stats), OB_EINVAL, "OB_STATS_INIT");
  CHECK_EQ(stats.submitted, 7);
  stats.size = sizeof stats;
  CHECK_FAILS(ob_engine_stats(NULL, &stats), OB_EINVAL, "engine");
  CHECK_FAILS(ob_engine_stats(engine, NULL), OB_EINVAL, "out");
  CHECK_EQ(stats.submitted, 7);
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  CHECK_EQ(stats.submitted, 0);
  test_stop(engine);
}

static void *call_ten_times(void *engine) {
  ob_call_opts opts = increment();
  int i;
  for (i = 0; i < 10; i++) {
    opts.flags = i % 2 ? OB_CALL_SYNC : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  return NULL;
}

/* Threads that have ended are not forgotten; what is wrong is not counted. */
TEST(every_kind_is_counted_once) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = increment();
  ob_stats stats;
  int i;
  for (i = 0; i < 5; i++) test_join(test_thread(call_ten_times, engine));
  call_ten_times(engine);
  opts.handler = NULL;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EINVAL);
  stats = quiet_stats(engine);
  CHECK_EQ(stats.submitted, 6 * 12);
  CHECK_EQ(stats.cancelled + stats.timed_out + stats.refused, 0);
  CHECK(stats.sleeps >= 1 && stats.wakes_written <= stats.sleeps);
  test_stop(engine);
}

/* Read without waiting for a loop that is stuck. */
TEST(in_flight_while_the_loop_is_blocked) {
  ob_engine *engine = test_engine(NULL);
  test_blocker blocker;
  ob_stats stats;
  int i;
  test_block_loop(engine, &blocker);
  for (i = 0; i < 1000; i++)
    CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  stats = stats_of(engine);
  CHECK_EQ(stats.submitted, 1001);
  CHECK_EQ(stats.completed, 0);
  CHECK_EQ(stats.in_flight, 1001);
  test_unblock_loop(&blocker);
  stats = quiet_stats(engine);
  CHECK_EQ(stats.submitted, 1001);
  CHECK_EQ(stats.queue_high_water, 1000);
  test_stop(engine);
}

static void submit_some(ob_engine *engine, ob_ticket **tickets, int count,
                        uint64_t deadline) {
  ob_call_opts opts = increment();
  int i;
  opts.deadline_ns = deadline;
  for (i = 0; i < count; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
}

static void end_some(ob_ticket **tickets, int count, int status) {
  int i;
  for (i = 0; i < count; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, NULL), status);
    ob_ticket_release(tickets[i]);
  }
}

static void small_queue(ob_engine_opts *opts) {
  opts->queue_limit = 20;
}

TEST(outcomes) {
  ob_engine *engine = test_engine(small_queue);
  ob_ticket *late[3], *cancelled[4], *kept[13];
  test_blocker blocker;
  ob_stats stats;
  int i;
  test_block_loop(engine, &blocker);
  submit_some(engine, late, 3, 1000000);
  submit_some(engine, cancelled, 4, OB_FOREVER);
  submit_some(engine, kept, 13, OB_FOREVER);
  for (i = 0; i < 4; i++) CHECK_EQ(ob_ticket_cancel(cancelled[i]), OB_OK);
  for (i = 0; i < 6; i++)
    CHECK_EQ(ob_try_post(engine, count_run, engine), OB_EAGAIN);
  end_some(late, 3, OB_ETIMEDOUT);
  end_some(cancelled, 4, OB_ECANCELED);
  test_unblock_loop(&blocker);
  end_some(kept, 13, OB_OK);
  stats = quiet_stats(engine);
  CHECK_EQ(stats.submitted, 1 + 20);
  CHECK_EQ(stats.timed_out, 3);
  CHECK_EQ(stats.cancelled, 4);
  CHECK_EQ(stats.refused, 6);
  CHECK_EQ(stats.queue_high_water, 20);
  test_stop(engine);
}

static void given_up(void *arg, int status) {
  CHECK_EQ(status, OB_ESHUTDOWN);
  (*(int *)arg)++;
}

/* The statistics of a stopped engine are those of its end. */
TEST(shutdown_counts_as_cancelled) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *tickets[5];
  test_blocker blocker;
  ob_stats stats;
  int i, ended = 0;
  test_block_loop(engine, &blocker);
  submit_some(engine, tickets, 5, OB_FOREVER);
  for (i = 0; i < 7; i++) CHECK_EQ(ob_post(engine, given_up, &ended), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  CHECK_EQ(ob_post(engine, given_up, &ended), OB_ESHUTDOWN);
  test_unblock_loop(&blocker);
  end_some(tickets, 5, OB_ESHUTDOWN);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
  CHECK_EQ(ended, 7);
  stats = quiet_stats(engine);
  CHECK_EQ(stats.submitted, 1 + 5 + 7);
  CHECK_EQ(stats.cancelled, 5 + 7);
  CHECK_EQ(stats.refused, 1);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* --- Time ----------------------------------------------------------------- */

#define MS UINT64_C(1000000)

static void be_busy(void *arg, int status) {
  uint64_t until = test_now() + 50 * MS;
  count_run(arg, status);
  while (test_now() < until) continue;
}

/* Half of the time slept through may be lost to other processes. */
TEST(busy_time) {
  ob_engine *engine = test_engine(NULL);
  uint64_t idle, busy;
  CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  idle = quiet_stats(engine).busy_ns;
  test_sleep_ms(200);
  busy = stats_of(engine).busy_ns;
  CHECK(busy < idle + 100 * MS);
  CHECK_EQ(ob_post(engine, be_busy, engine), OB_OK);
  CHECK(quiet_stats(engine).busy_ns - busy >= 50 * MS);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  busy = stats_of(engine).busy_ns;
  test_sleep_ms(20);
  CHECK_EQ(stats_of(engine).busy_ns, busy); /* a loop that has ended */
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* --- The pool ------------------------------------------------------------- */

static void handle_wait(ob_request *request, void *input, size_t size,
                        void *user) {
  CHECK(ob_engine_current() == NULL && input == NULL && size == 0);
  test_await(user);
  ob_complete(request, OB_OK, ob_result_none());
}

static void two_threads_that_leave(ob_engine_opts *opts) {
  opts->offload_threads = opts->offload_hard_limit = 2;
  opts->offload_idle_ns = MS;
}

static void await_pool(ob_engine *engine, uint64_t threads, uint64_t queued) {
  ob_stats stats = stats_of(engine);
  while (stats.offload_threads != threads || stats.offload_queued != queued) {
    CHECK(stats.offload_threads <= 2 && stats.offload_queued <= 5);
    test_sleep_ms(1);
    stats = stats_of(engine);
  }
}

TEST(pool) {
  ob_engine *engine = test_engine(two_threads_that_leave);
  ob_ticket *tickets[5];
  int gate = 0, i;
  ob_call_opts opts = test_call(handle_wait, &gate);
  opts.flags = OB_CALL_OFFLOAD;
  await_pool(engine, 0, 0);
  for (i = 0; i < 5; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  await_pool(engine, 2, 3);
  CHECK_EQ(stats_of(engine).in_flight, 5);
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  end_some(tickets, 5, OB_OK);
  await_pool(engine, 0, 0);
  CHECK_EQ(quiet_stats(engine).submitted, 5);
  test_stop(engine);
}

/* --- Under way ------------------------------------------------------------ */

static int over;

static void *short_lives(void *engine) {
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
    test_join(test_thread(call_ten_times, engine));
  return NULL;
}

static void check_not_less(const ob_stats *is, const ob_stats *was) {
  CHECK(is->submitted >= was->submitted);
  CHECK(is->completed >= was->completed);
  CHECK(is->wakes_written >= was->wakes_written);
  CHECK(is->sleeps >= was->sleeps);
  CHECK(is->queue_high_water >= was->queue_high_water);
  CHECK(is->in_flight <= is->submitted);
}

/* Threads come and go, and no counter ever goes back. */
TEST(snapshots_while_it_works) {
  ob_engine *engine = test_engine(NULL);
  uint64_t i, looks = test_ops(2e5);
  pthread_t threads[2];
  ob_stats was = stats_of(engine), is;
  for (i = 0; i < 2; i++) threads[i] = test_thread(short_lives, engine);
  for (i = 0; i < looks; i++) {
    is = stats_of(engine);
    check_not_less(&is, &was);
    was = is;
  }
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  for (i = 0; i < 2; i++) test_join(threads[i]);
  is = quiet_stats(engine);
  CHECK_EQ(is.submitted % 12, 0);
  CHECK_EQ(is.submitted, 12 * ran);
  test_stop(engine);
}
