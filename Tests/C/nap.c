/* Engines that only run calls sleep without libuv (nap.c of the core): nothing
 * of theirs depends on descriptors that a host may close, for there are none
 * until somebody asks for the libuv loop. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "broken.h"
#include "outboard_uv.h"

static void check_calls(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  ob_result answer;
  int number, got;
  for (number = 0; number < 20; number++) {
    opts.input = &number;
    opts.input_size = sizeof number;
    opts.flags = number % 2 ? OB_CALL_SYNC : 0;
    opts.deadline_ns = number % 3 ? OB_FOREVER : 20 * S;
    CHECK_EQ(ob_call(engine, &opts, &answer), OB_OK);
    memcpy(&got, ob_result_data(&answer), sizeof got);
    CHECK_EQ(got, number + 1);
    ob_result_free(&answer);
    if (number % 5 == 0) await_sleep(engine);
  }
}

static ob_request *kept;

/* Only a timer wakes the loop. */
static void check_deadline(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_keep, &kept);
  ob_ticket *ticket;
  uint64_t begin = test_now();
  opts.deadline_ns = 50 * MS;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, 20 * S, NULL), OB_ETIMEDOUT);
  CHECK(test_now() - begin >= 50 * MS);
  CHECK_EQ(ob_complete(kept, OB_OK, ob_result_none()), OB_ECANCELED);
  ob_ticket_release(ticket);
}

static void play(kind of, int lends) {
  int threads = count_threads() + TOOL_THREADS;
  ob_engine *engine = test_engine(NULL);
  await_sleep(engine);
  take_over(of);
  if (lends) test_lend(engine);
  check_calls(engine);
  check_deadline(engine);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 20 * S), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  while (count_threads() > threads) test_sleep_ms(1);
  check_strangers(of);
}
static void play_calls(kind of) {
  play(of, 0);
}
TEST(calls_need_no_descriptors) {
  with_each(play_calls);
}

static void play_dispose(kind of) {
  int threads = count_threads() + TOOL_THREADS;
  ob_engine *engine = test_engine(NULL);
  await_sleep(engine);
  take_over(of);
  ob_engine_dispose(engine);
  while (count_threads() > threads) test_sleep_ms(1);
  check_strangers(of);
}
TEST(nor_does_its_end) {
  with_each(play_dispose);
}

/* Nor is the loop of one who asks for it afterwards another's. */
static void play_ask(kind of) {
  play(of, 1);
}
TEST(a_loop_made_afterwards) {
  with_each(play_ask);
}

TEST(it_has_none) {
  int files = count_files();
  ob_engine *engine = test_engine(NULL);
  check_calls(engine);
  check_deadline(engine);
  CHECK_EQ(count_files(), files);
  test_stop(engine);
}

static int fired;
static void on_fire(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
  add(&fired);
}
static void start_timer(void *arg, int status) {
  static uv_timer_t timer;
  CHECK_EQ(status, OB_OK);
  CHECK_EQ(uv_timer_init(ob_uv_loop(arg), &timer), 0);
  CHECK_EQ(uv_timer_start(&timer, on_fire, 30, 0), 0);
}

/* It sleeps in libuv from then on, with its own timers and the user's, and is
 * woken there. */
TEST(an_engine_that_has_lent_its_loop) {
  ob_engine *engine = test_engine(NULL);
  await_sleep(engine);
  CHECK_EQ(engine->parks, 1);
  CHECK_EQ(ob_post(engine, start_timer, engine), OB_OK);
  await_count(&fired, 1, "timers fired");
  await_sleep(engine);
  CHECK_EQ(engine->parks, 0);
  check_calls(engine);
  check_deadline(engine);
  test_stop(engine);
}

/* The same by whoever wakes it late, from the kind of sleep that it had. */
static void *wake_again(void *arg) {
  ob_engine *engine = arg;
  int i;
  for (i = 0; i < 1000; i++) {
    ob__unpark(&engine->parker); /* late for a nap that is over */
    if (i % 100 == 0) test_sleep_ms(1);
  }
  return NULL;
}
TEST(late_wake_ups_do_no_harm) {
  ob_engine *engine = test_engine(NULL);
  pthread_t thread = test_thread(wake_again, engine);
  check_calls(engine);
  test_lend(engine);
  check_calls(engine);
  test_join(thread);
  check_calls(engine);
  test_stop(engine);
}

/* A nap is no work, while it lasts and when it is over. */
TEST(a_nap_is_idle) {
  ob_engine *engine = test_engine(NULL);
  ob_stats before = OB_STATS_INIT, during = OB_STATS_INIT,
           after = OB_STATS_INIT;
  await_sleep(engine);
  CHECK_EQ(ob_engine_stats(engine, &before), OB_OK);
  test_sleep_ms(200);
  CHECK_EQ(ob_engine_stats(engine, &during), OB_OK);
  CHECK(during.busy_ns - before.busy_ns < 20 * MS);
  await_sleep(engine);
  CHECK_EQ(ob_engine_stats(engine, &after), OB_OK);
  CHECK(after.busy_ns - before.busy_ns < 60 * MS);
  CHECK(after.sleeps > before.sleeps);
  test_stop(engine);
}
