/* Offload: blocking work runs on the engine's own bounded pool, which grows on
 * demand and shrinks when idle; limits, deadlines and cancellation hold there
 * too, threads that wait inside a call do not count, and answers are delivered
 * on the loop. */
#include "probe.h"

typedef struct job {
  int entered, gate, running, most, ran, done, destroyed, status;
  ob_engine *engine;
} job;

static void handle_job(ob_request *request, void *input, size_t size,
                       void *user) {
  job *j = user;
  int now = __atomic_add_fetch(&j->running, 1, __ATOMIC_ACQ_REL);
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == NULL);
  CHECK(ob_request_engine(request) == j->engine);
  while (now > get(&j->most)) set(&j->most, now);
  add(&j->entered);
  while (!get(&j->gate) && !ob_request_cancelled(request)) test_sleep_ms(1);
  __atomic_sub_fetch(&j->running, 1, __ATOMIC_ACQ_REL);
  add(&j->ran);
  ob_complete(request, OB_OK, counted_result(&j->destroyed));
}

static void on_done(int status, ob_result *result, void *user) {
  job *j = user;
  CHECK(ob_engine_current() == j->engine);
  CHECK_EQ(result->size, status == OB_OK ? sizeof(int) : 0);
  set(&j->status, status);
  add(&j->done);
}

static ob_call_opts job_call(job *j) {
  ob_call_opts opts = test_call(handle_job, j);
  opts.flags = OB_CALL_OFFLOAD;
  return opts;
}

static void submit_jobs(job *j, int count, uint64_t deadline_ns) {
  ob_call_opts opts = job_call(j);
  opts.deadline_ns = deadline_ns;
  opts.on_done = on_done;
  opts.done_user = j;
  for (int i = 0; i < count; i++)
    CHECK_EQ(ob_submit(NULL, j->engine, &opts), OB_OK);
}

static ob_stats stats_of(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  return stats;
}

static void await_threads(ob_engine *engine, uint64_t count) {
  uint64_t end = test_now() + 20 * S;
  while (stats_of(engine).offload_threads != count) {
    CHECK(test_now() < end);
    test_sleep_ms(1);
  }
}

static void small_pool(ob_engine_opts *opts) {
  opts->offload_threads = 2;
  opts->offload_hard_limit = 4;
  opts->offload_queue = 6;
  opts->offload_idle_ns = 20 * MS;
}

/* --- The pool --- */

TEST(it_grows_on_demand_is_bounded_and_shrinks) {
  rest before = measure_rest();
  job j = {.engine = test_engine(small_pool)};
  CHECK_EQ(stats_of(j.engine).offload_threads, 0);
  for (int round = 1; round < 4; round++) {
    set(&j.gate, 0);
    submit_jobs(&j, 1, OB_FOREVER);
    await_count(&j.entered, round * 8 - 7, "the first job");
    CHECK_EQ(stats_of(j.engine).offload_threads, 1);
    submit_jobs(&j, 1, OB_FOREVER);
    await_count(&j.entered, round * 8 - 6, "the second job");
    submit_jobs(&j, 6, OB_FOREVER);
    flush(j.engine);
    CHECK_EQ(stats_of(j.engine).offload_threads, 2);
    CHECK_EQ(stats_of(j.engine).offload_queued, 6);
    /* This thread, the loop, two of the pool: none of libuv's. */
    CHECK_EQ(count_threads(), 4 + TOOL_THREADS);
    set(&j.gate, 1);
    await_count(&j.done, round * 8, "all jobs");
    CHECK_EQ(get(&j.most), 2);
    await_threads(j.engine, 0);
  }
  test_stop(j.engine);
  CHECK_EQ(j.ran, 24);
  CHECK_EQ(j.destroyed, 24);
  check_at_rest(&before);
}

TEST(a_full_queue_refuses) {
  job j = {.engine = test_engine(small_pool)};
  ob_call_opts opts = job_call(&j);
  ob_result result = OB_RESULT_INIT;
  int inputs = 0;
  submit_jobs(&j, 2, OB_FOREVER);
  await_count(&j.entered, 2, "running jobs");
  submit_jobs(&j, 6, OB_FOREVER);
  flush(j.engine);
  CHECK_EQ(ob_call(j.engine, &opts, &result), OB_EAGAIN);
  CHECK_EQ(result.size, 0);
  submit_jobs(&j, 1, OB_FOREVER);
  await_count(&j.done, 1, "the refused job");
  CHECK_EQ(get(&j.status), OB_EAGAIN);
  opts.handler = handle_count;
  opts.user = &inputs;
  opts.destroy = count_destroy;
  CHECK_EQ(ob_call(j.engine, &opts, NULL), OB_EAGAIN);
  set(&j.gate, 1);
  test_stop(j.engine);
  CHECK_EQ(inputs, 1); /* destroyed, not run */
  CHECK_EQ(j.ran, 8);
  CHECK_EQ(j.done, 9);
}

/* --- Deadlines and cancellation --- */

TEST(a_job_that_is_overdue_in_the_queue_never_runs) {
  job busy = {.engine = test_engine(small_pool)}, j = {.engine = busy.engine};
  ob_call_opts opts = job_call(&j);
  uint64_t begin;
  submit_jobs(&busy, 2, OB_FOREVER);
  await_count(&busy.entered, 2, "running jobs");
  begin = test_now();
  submit_jobs(&j, 6, 20 * MS);
  await_count(&j.done, 6, "overdue jobs");
  CHECK(test_now() >= begin + 20 * MS);
  CHECK_EQ(get(&j.status), OB_ETIMEDOUT);
  CHECK_EQ(stats_of(j.engine).offload_queued, 0); /* their places are free */
  opts.deadline_ns = 10 * MS;
  CHECK_EQ(ob_call(j.engine, &opts, NULL), OB_ETIMEDOUT);
  set(&busy.gate, 1);
  test_stop(j.engine);
  CHECK_EQ(j.ran, 0);
  CHECK_EQ(busy.done, 2);
}

static void hook_count(ob_request *request, void *arg) {
  CHECK(ob_engine_current() == ob_request_engine(request));
  add(arg);
}

static void handle_hooked(ob_request *request, void *input, size_t size,
                          void *user) {
  job *j = user;
  (void)input;
  (void)size;
  CHECK_EQ(ob_request_on_cancel(request, hook_count, &j->status), OB_OK);
  add(&j->entered);
  await_count(&j->status, 1, "the hook");
  CHECK_EQ(ob_request_cancelled(request), 1);
  add(&j->ran);
  ob_complete(request, OB_OK, counted_result(&j->destroyed));
}

/* Ended while it runs: by its deadline, or asked to end by cancel. */
TEST(a_running_job_sees_expiry_and_cancel) {
  for (int cancel = 0; cancel < 2; cancel++) {
    job j = {.engine = test_engine(NULL)};
    ob_call_opts opts = job_call(&j);
    ob_ticket *ticket;
    opts.handler = handle_hooked;
    if (!cancel) opts.deadline_ns = 200 * MS;
    CHECK_EQ(ob_submit(&ticket, j.engine, &opts), OB_OK);
    await_count(&j.entered, 1, "the job");
    if (cancel) CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL),
             cancel ? OB_OK : OB_ETIMEDOUT);
    ob_ticket_release(ticket);
    test_stop(j.engine);
    CHECK_EQ(j.ran, 1);
    CHECK_EQ(j.status, 1); /* the hook, on the loop */
    CHECK_EQ(j.destroyed, 1);
  }
}

TEST(a_job_cancelled_in_the_queue_never_runs) {
  job busy = {.engine = test_engine(small_pool)}, j = {.engine = busy.engine};
  ob_call_opts opts = job_call(&j);
  ob_ticket *tickets[6];
  submit_jobs(&busy, 2, OB_FOREVER);
  await_count(&busy.entered, 2, "running jobs");
  for (int i = 0; i < 6; i++)
    CHECK_EQ(ob_submit(&tickets[i], j.engine, &opts), OB_OK);
  flush(j.engine);
  CHECK_EQ(stats_of(j.engine).offload_queued, 6);
  for (int i = 0; i < 6; i++) {
    CHECK_EQ(ob_ticket_cancel(tickets[(i * 5 + 2) % 6]), OB_OK); /* any order */
    CHECK_EQ(ob_ticket_wait(tickets[(i * 5 + 2) % 6], OB_FOREVER, NULL),
             OB_ECANCELED);
  }
  flush(j.engine);
  CHECK_EQ(stats_of(j.engine).offload_queued, 0);
  for (int i = 0; i < 6; i++) ob_ticket_release(tickets[i]);
  set(&busy.gate, 1);
  test_stop(j.engine);
  CHECK_EQ(j.ran, 0);
}

/* --- Threads that wait inside a call --- */

typedef struct nest {
  ob_engine *engine;
  int depth, deepest, inside, most, way;
} nest;

/* Each level waits for the next one, which needs a thread of its own. */
static void handle_nest(ob_request *request, void *input, size_t size,
                        void *user) {
  nest *n = user;
  ob_call_opts opts = test_call(handle_nest, n);
  ob_ticket *ticket;
  size_t index;
  int rc = OB_OK, now = __atomic_add_fetch(&n->inside, 1, __ATOMIC_ACQ_REL);
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == NULL);
  while (now > get(&n->most)) set(&n->most, now);
  opts.flags = OB_CALL_OFFLOAD;
  opts.deadline_ns = ob_request_remaining(request);
  if (__atomic_add_fetch(&n->deepest, 1, __ATOMIC_ACQ_REL) < n->depth) {
    if (n->way == 0) {
      rc = ob_call(n->engine, &opts, NULL);
    } else {
      CHECK_EQ(ob_submit(&ticket, n->engine, &opts), OB_OK);
      if (n->way == 2) ob_wait_any(&ticket, 1, OB_FOREVER, &index);
      rc = ob_ticket_wait(ticket, OB_FOREVER, NULL);
      ob_ticket_release(ticket);
    }
  }
  __atomic_sub_fetch(&n->inside, 1, __ATOMIC_ACQ_REL);
  ob_complete(request, rc, ob_result_none());
}

/* A pool of two threads, four at the utmost. */
TEST(a_thread_blocked_in_a_call_does_not_count) {
  for (int way = 0; way < 3; way++) {
    nest n = {test_engine(small_pool), 4, 0, 0, 0, way};
    ob_call_opts opts = test_call(handle_nest, &n);
    opts.flags = OB_CALL_OFFLOAD;
    opts.deadline_ns = 15 * S;
    CHECK_EQ(ob_call(n.engine, &opts, NULL), OB_OK);
    CHECK_EQ(get(&n.deepest), 4);
    /* The hard limit holds: the fifth level waits in vain. */
    n.depth = 5;
    set(&n.deepest, 0);
    opts.deadline_ns = 300 * MS;
    CHECK_EQ(ob_call(n.engine, &opts, NULL), OB_ETIMEDOUT);
    test_stop(n.engine);
    CHECK_EQ(n.most, 4);
  }
}

static void handle_elsewhere(ob_request *request, void *input, size_t size,
                             void *user) {
  job *j = user;
  ob_call_opts opts = test_call(handle_count, NULL);
  (void)input;
  (void)size;
  opts.flags = OB_CALL_SYNC;
  add(&j->entered);
  ob_complete(request, ob_call(j->engine, &opts, NULL), ob_result_none());
}

/* Two jobs wait for the stalled loop of another engine; others still run. */
TEST(work_goes_on_while_threads_are_blocked) {
  ob_engine *engine = test_engine(small_pool);
  job waiting = {.engine = test_engine(NULL)},
      j = {.engine = engine, .gate = 1};
  ob_call_opts opts = test_call(handle_elsewhere, &waiting);
  test_blocker blocker;
  test_block_loop(waiting.engine, &blocker);
  opts.flags = OB_CALL_OFFLOAD;
  for (int i = 0; i < 2; i++) CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  await_count(&waiting.entered, 2, "blocked jobs");
  submit_jobs(&j, 6, OB_FOREVER);
  await_count(&j.done, 6, "the others");
  test_unblock_loop(&blocker);
  test_stop(engine);
  test_stop(waiting.engine);
}

/* --- Answers --- */

static void handle_leave(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == NULL);
  __atomic_store_n((ob_request **)user, request, __ATOMIC_RELEASE);
}

TEST(a_job_may_answer_after_it_has_returned) {
  job j = {.engine = test_engine(NULL)};
  ob_request *left = NULL, *seen;
  ob_call_opts opts = test_call(handle_leave, &left);
  opts.flags = OB_CALL_OFFLOAD;
  opts.on_done = on_done;
  opts.done_user = &j;
  CHECK_EQ(ob_submit(NULL, j.engine, &opts), OB_OK);
  while ((seen = __atomic_load_n(&left, __ATOMIC_ACQUIRE)) == NULL)
    sched_yield();
  CHECK_EQ(ob_complete(seen, OB_OK, counted_result(&j.destroyed)), OB_OK);
  await_count(&j.done, 1, "the answer");
  test_stop(j.engine);
  CHECK_EQ(j.destroyed, 1);
}

typedef struct twice {
  int answered, go, second;
} twice;

static void handle_twice(ob_request *request, void *input, size_t size,
                         void *user) {
  twice *t = user;
  (void)input;
  (void)size;
  CHECK_EQ(ob_complete(request, 1, ob_result_none()), OB_OK);
  test_await(&t->go);
  t->second = ob_complete(request, 2, ob_result_none());
  add(&t->answered);
}

/* A request is valid in its handler until that returns: its memory must not
 * serve another call while the handler can still answer it a second time. */
TEST(the_second_answer_of_a_job_is_refused) {
  ob_engine *engine = test_engine(NULL);
  twice t = {0, 0, 1};
  ob_call_opts opts = test_call(handle_twice, &t);
  ob_ticket *tickets[3];
  ob_request *kept[3];
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_call(engine, &opts, NULL), 1);
  flush(engine);
  for (int i = 0; i < 3; i++) kept[i] = keep(engine, NULL, &tickets[i]);
  set(&t.go, 1);
  await_count(&t.answered, 1, "the second answer");
  CHECK_EQ(t.second, OB_EALREADY);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(ob_ticket_poll(tickets[i], NULL), 0);
    CHECK_EQ(ob_complete(kept[i], OB_OK, ob_result_none()), OB_OK);
    ob_ticket_release(tickets[i]);
  }
  test_stop(engine);
}
