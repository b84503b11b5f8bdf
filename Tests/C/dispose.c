/* Engines that go away leave nothing behind, neither thread nor descriptor:
 * disposed of from everywhere, stopped with the pool at work, with uv handles
 * open, from their own start hook, and 1,000 times in a row. */
#include "outboard_uv.h"
#include "probe.h"

/* --- dispose --- */

static int disposed;

static void handle_dispose(ob_request *request, void *input, size_t size,
                           void *user) {
  (void)input;
  (void)size;
  (void)user;
  CHECK(ob_engine_current() == ob_request_engine(request));
  ob_complete(request, OB_OK, ob_result_none());
  ob_engine_dispose(ob_request_engine(request));
  add(&disposed);
}

TEST(dispose_in_a_handler) {
  rest before = measure_rest();
  for (int i = 0; i < 100; i++) {
    ob_engine *engine = test_engine(NULL);
    ob_call_opts opts = test_call(handle_dispose, NULL);
    opts.flags = i % 2 ? OB_CALL_SYNC : 0;
    /* The handler may be through with the engine before this returns. */
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
    await_count(&disposed, i + 1, "the disposal");
    check_at_rest(&before);
  }
}

static void handle_pool_dispose(ob_request *request, void *input, size_t size,
                                void *user) {
  (void)input;
  (void)size;
  (void)user;
  CHECK(ob_engine_current() == NULL);
  ob_engine_dispose(ob_request_engine(request));
  ob_complete(request, 3, ob_result_none());
  add(&disposed);
}

TEST(dispose_on_a_pool_thread) {
  rest before = measure_rest();
  for (int i = 0; i < 100; i++) {
    ob_engine *engine = test_engine(NULL);
    ob_call_opts opts = test_call(handle_pool_dispose, NULL);
    ob_ticket *ticket;
    opts.flags = OB_CALL_OFFLOAD;
    CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 3);
    ob_ticket_release(ticket);
    await_count(&disposed, i + 1, "the disposal");
    check_at_rest(&before);
  }
}

static void *run_dispose(void *engine) {
  ob_engine_dispose(engine);
  return NULL;
}

/* With a handler that has not answered, one that blocks the loop, and a job:
 * dispose does not wait for them; when the last has ended, the engine goes. */
TEST(dispose_elsewhere_with_running_handlers) {
  rest before = measure_rest();
  for (int i = 0; i < 100; i++) {
    ob_engine *engine = test_engine(NULL);
    ob_request *kept = NULL;
    test_blocker loop, job = {0, 0, NULL};
    ob_call_opts keep = test_call(handle_keep, &kept);
    ob_call_opts opts = test_call(handle_block, &job);
    ob_ticket *ticket;
    opts.flags = OB_CALL_OFFLOAD;
    CHECK_EQ(ob_submit(&ticket, engine, &keep), OB_OK);
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
    test_await(&job.entered);
    test_block_loop(engine, &loop);
    test_join(test_thread(run_dispose, engine));
    CHECK_EQ(ob_ticket_poll(ticket, NULL), 0);
    test_unblock_loop(&loop);
    if (i % 2) add(&job.gate);
    CHECK_EQ(ob_complete(kept, 8, ob_result_none()), OB_OK);
    add(&job.gate);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 8);
    ob_ticket_release(ticket);
    check_at_rest(&before);
  }
}

TEST(dispose_after_stop) {
  rest before = measure_rest();
  for (int i = 0; i < 100; i++) {
    ob_engine *engine = test_engine(NULL);
    if (i % 2)
      CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 20 * S), OB_OK);
    else
      ob_engine_stop(engine, OB_STOP_DRAIN, 0);
    ob_engine_dispose(engine);
    check_at_rest(&before);
  }
}

/* --- stop with the pool at work --- */

typedef struct jobs {
  int entered, ran, gate, done, shut;
} jobs;

static void handle_job(ob_request *request, void *input, size_t size,
                       void *user) {
  jobs *j = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == NULL);
  add(&j->entered);
  while (!get(&j->gate) && !ob_request_cancelled(request)) test_sleep_ms(1);
  add(&j->ran);
  ob_complete(request, OB_OK, ob_result_none());
}

static void job_done(int status, ob_result *result, void *user) {
  jobs *j = user;
  (void)result;
  CHECK(status == OB_OK || status == OB_ESHUTDOWN);
  add(status == OB_OK ? &j->done : &j->shut);
}

static void two_threads(ob_engine_opts *opts) {
  opts->offload_threads = 2;
}

static void stop_with_jobs(int mode, jobs *j) {
  ob_engine *engine = test_engine(two_threads);
  ob_call_opts opts = test_call(handle_job, j);
  opts.flags = OB_CALL_OFFLOAD;
  opts.on_done = job_done;
  opts.done_user = j;
  for (int i = 0; i < 10; i++) CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  while (get(&j->entered) < 2) test_sleep_ms(1);
  if (mode == OB_STOP_DRAIN) {
    CHECK_EQ(ob_engine_stop(engine, mode, 20 * MS), OB_ETIMEDOUT);
    add(&j->gate);
  }
  CHECK_EQ(ob_engine_stop(engine, mode, 20 * S), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

TEST(stop_with_jobs_queued_and_running) {
  jobs drained = {0}, cancelled = {0};
  rest before = measure_rest();
  stop_with_jobs(OB_STOP_DRAIN, &drained);
  CHECK_EQ(drained.ran, 10);
  CHECK_EQ(drained.done, 10);
  stop_with_jobs(OB_STOP_CANCEL, &cancelled);
  CHECK_EQ(cancelled.ran, 2); /* those that ran have answered for themselves */
  CHECK_EQ(cancelled.done, 2);
  CHECK_EQ(cancelled.shut, 8);
  check_at_rest(&before);
}

/* --- uv handles that are left open --- */

static struct {
  uv_timer_t timer;
  uv_tcp_t server;
  uv_udp_t udp;
  uv_idle_t idle;
} left_open;

static int ticks;

static void on_tick(uv_timer_t *timer) {
  (void)timer;
  add(&ticks);
}

static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

static void handle_open(ob_request *request, void *input, size_t size,
                        void *user) {
  uv_loop_t *loop = ob_uv_loop(ob_request_engine(request));
  struct sockaddr_in any;
  (void)input;
  (void)size;
  (void)user;
  CHECK(loop != NULL);
  CHECK(uv_ip4_addr("127.0.0.1", 0, &any) == 0);
  CHECK(uv_timer_init(loop, &left_open.timer) == 0);
  CHECK(uv_timer_start(&left_open.timer, on_tick, 1, 1) == 0);
  CHECK(uv_tcp_init(loop, &left_open.server) == 0);
  CHECK(uv_tcp_bind(&left_open.server, (struct sockaddr *)&any, 0) == 0);
  CHECK(uv_udp_init(loop, &left_open.udp) == 0);
  CHECK(uv_udp_bind(&left_open.udp, (struct sockaddr *)&any, 0) == 0);
  CHECK(uv_idle_init(loop, &left_open.idle) == 0);
  CHECK(uv_idle_start(&left_open.idle, on_idle) == 0);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(uv_handles_left_open_are_closed) {
  rest before = measure_rest();
  for (int i = 0; i < 20; i++) {
    ob_engine *engine = test_engine(NULL);
    ob_call_opts opts = test_call(handle_open, NULL);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    set(&ticks, 0);
    test_await(&ticks);
    CHECK_EQ(ob_engine_stop(engine, i % 2, 20 * S), OB_OK);
    CHECK(uv_is_closing((uv_handle_t *)&left_open.timer));
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
    check_at_rest(&before);
  }
}

/* --- stop while starting --- */

static int stopped;

static void start_and_stop(ob_engine *engine, ob_start_token *token,
                           void *user) {
  CHECK_EQ(ob_engine_stop(engine, *(int *)user, OB_FOREVER), OB_EINPROGRESS);
  ob_start_done(token, OB_OK, NULL);
}

static void on_stop(ob_engine *engine, void *user) {
  (void)user;
  CHECK(ob_engine_current() == engine);
  add(&stopped);
}

/* The start succeeds, so on_stop runs, however soon. */
TEST(stop_in_the_start_hook) {
  int rounds = (int)test_ops(300), mode;
  rest before = measure_rest();
  for (int i = 0; i < rounds; i++) {
    ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
    ob_call_opts call = test_call(handle_dispose, NULL);
    ob_engine *engine;
    mode = i % 2;
    opts.on_start = start_and_stop;
    opts.on_stop = on_stop;
    opts.user = &mode;
    CHECK_EQ(ob_engine_start(&engine, &opts), OB_OK);
    CHECK_EQ(ob_call(engine, &call, NULL), OB_ESHUTDOWN);
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
    CHECK_EQ(get(&stopped), i + 1);
  }
  check_at_rest(&before);
}

TEST(a_thousand_starts_and_stops) {
  int rounds = (int)test_ops(1000);
  ob_call_opts opts = test_call(handle_count, NULL);
  rest before = measure_rest();
  for (int i = 0; i < rounds; i++) {
    ob_engine *engine = test_engine(NULL);
    opts.flags = i % 4 == 0 ? OB_CALL_OFFLOAD : 0;
    if (i % 3 > 0) CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    if (i % 5 > 0) CHECK_EQ(ob_engine_stop(engine, i % 2, 20 * S), OB_OK);
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  }
  check_at_rest(&before);
}
