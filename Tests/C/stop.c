/* Stopping: while producers run, from everywhere, twice and at once; whatever
 * was accepted is finished or released exactly once, nobody hangs, and the
 * deadline names what still runs. dispose.c has what may be left behind. */
#include "probe.h"

/* --- While producers run --- */

typedef struct tally {
  ob_engine *engine;
  int posts, posts_run, submits, ended, inputs, left, running;
  int flood; /* posts only: busy threads, preempted anywhere */
  uint64_t seed;
} tally;

static void count_post(void *arg, int status) {
  tally *t = arg;
  CHECK(status == OB_OK || status == OB_ESHUTDOWN);
  add(&t->posts_run);
}

static void count_done(int status, ob_result *result, void *user) {
  tally *t = user;
  CHECK(ob_engine_current() == t->engine);
  /* The last: too many jobs waited for a thread of the pool. */
  CHECK(status == OB_OK || status == OB_ESHUTDOWN || status == OB_EAGAIN);
  CHECK_EQ(result->size, 0);
  add(&t->ended);
}

static void count_input(void *data, size_t size, void *user) {
  tally *t = user;
  (void)data;
  (void)size;
  add(&t->inputs);
}

static void handle_plain(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)user;
  handle_count(request, input, size, NULL);
}

/* One submission of some kind. */
static int produce(tally *t, uint64_t kind) {
  ob_call_opts opts = test_call(handle_plain, t);
  int rc;
  if (kind < 3) { /* bare, full, with a deadline */
    opts.flags = kind == 0 ? OB_CALL_SYNC : 0;
    opts.deadline_ns = kind == 2 ? 60 * S : OB_FOREVER;
    return ob_call(t->engine, &opts, NULL);
  }
  if (kind < 6) {
    rc = kind == 3 ? ob_post(t->engine, count_post, t)
                   : ob_try_post(t->engine, count_post, t);
    if (rc == OB_OK) add(&t->posts);
    return rc;
  }
  opts.flags = kind == 7 ? OB_CALL_OFFLOAD : 0;
  opts.on_done = count_done;
  opts.done_user = t;
  opts.destroy = count_input;
  rc = ob_submit(NULL, t->engine, &opts);
  if (rc == OB_OK) add(&t->submits);
  return rc;
}

static void *run_producer(void *arg) {
  tally *t = arg;
  uint64_t seed = __atomic_add_fetch(&t->seed, 1, __ATOMIC_RELAXED);
  int rc;
  add(&t->running);
  do rc = produce(t, t->flood ? 4 : test_random(&seed) % 8);
  while (rc == OB_OK || rc == OB_EAGAIN);
  CHECK_EQ(rc, OB_ESHUTDOWN);
  CHECK_EQ(produce(t, test_random(&seed) % 8), OB_ESHUTDOWN);
  add(&t->left);
  return NULL;
}

static void stop_while_producing(int mode) {
  enum { PRODUCERS = 4 };
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(400);
  for (int round = 0; round < rounds; round++) {
    tally t = {.engine = test_engine(NULL), .flood = round % 2};
    ob_stats stats = OB_STATS_INIT;
    pthread_t threads[PRODUCERS];
    t.seed = test_random(&seed);
    uint64_t pause = test_random(&seed) % 300000, begin;
    for (int i = 0; i < PRODUCERS; i++)
      threads[i] = test_thread(run_producer, &t);
    await_count(&t.running, 1 + round % PRODUCERS, "producers start");
    for (begin = test_now(); test_now() < begin + pause;) sched_yield();
    CHECK_EQ(ob_engine_stop(t.engine, mode, 20 * S), OB_OK);
    await_count(&t.left, PRODUCERS, "producers leave");
    for (int i = 0; i < PRODUCERS; i++) test_join(threads[i]);
    CHECK_EQ(t.posts_run, t.posts);
    CHECK_EQ(t.ended, t.submits);
    CHECK_EQ(t.inputs, t.submits);
    CHECK_EQ(ob_engine_stats(t.engine, &stats), OB_OK);
    CHECK_EQ(stats.completed, stats.submitted);
    CHECK_EQ(stats.offload_threads, 0);
    CHECK_EQ(ob_engine_destroy(t.engine), OB_OK);
  }
}

TEST(cancelling_stop_while_producers_run) {
  stop_while_producing(OB_STOP_CANCEL);
}
TEST(draining_stop_while_producers_run) {
  stop_while_producing(OB_STOP_DRAIN);
}

/* --- From everywhere --- */

static void handle_stop(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == user);
  for (int i = 0; i < 2; i++)
    CHECK_FAILS(ob_engine_stop(user, OB_STOP_DRAIN, OB_FOREVER), OB_EINPROGRESS,
                "on a thread of engine");
  CHECK_FAILS(ob_engine_destroy(user), OB_EPERM, "ob_engine_dispose");
  ob_complete(request, 12, ob_result_none());
}

TEST(stop_from_the_loop_then_from_elsewhere) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_stop, engine);
  CHECK_EQ(ob_call(engine, &opts, NULL), 12);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ESHUTDOWN);
  for (int i = 0; i < 3; i++)
    CHECK_EQ(ob_engine_stop(engine, i % 2, 20 * S), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

static void *run_stop(void *arg) {
  static int turn;
  int mode = __atomic_add_fetch(&turn, 1, __ATOMIC_RELAXED) % 2;
  CHECK_EQ(ob_engine_stop(arg, mode, 20 * S), OB_OK);
  return NULL;
}

TEST(stop_from_8_threads_at_once) {
  int rounds = (int)test_ops(200);
  while (rounds-- > 0) {
    ob_engine *engine = test_engine(NULL);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) threads[i] = test_thread(run_stop, engine);
    for (int i = 0; i < 8; i++) test_join(threads[i]);
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  }
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_count, NULL);
  CHECK_FAILS(ob_engine_stop(NULL, OB_STOP_DRAIN, 0), OB_EINVAL, "engine");
  CHECK_FAILS(ob_engine_stop(engine, 2, 0), OB_EINVAL, "ob_stop_mode");
  CHECK_FAILS(ob_engine_stop(engine, -1, 0), OB_EINVAL, "ob_stop_mode");
  CHECK_EQ(ob_engine_destroy(NULL), OB_OK);
  ob_engine_dispose(NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK); /* none has stopped it */
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 20 * S), OB_OK);
  CHECK_FAILS(ob_call(engine, NULL, NULL), OB_EINVAL, "opts");
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ESHUTDOWN);
  CHECK(strstr(ob_last_error_detail(), "opts") == NULL); /* not of this call */
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* --- What holds it up --- */

TEST(the_deadline_names_what_runs) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket, *pooled;
  ob_request *request = keep(engine, "held up", &ticket);
  test_blocker job = {0, 0, NULL}, loop;
  ob_call_opts opts = test_call(handle_block, &job);
  uint64_t begin = test_now();
  opts.flags = OB_CALL_OFFLOAD;
  opts.name = "pool job";
  CHECK_EQ(ob_submit(&pooled, engine, &opts), OB_OK);
  test_await(&job.entered);
  test_block_loop(engine, &loop);
  CHECK_FAILS(ob_engine_stop(engine, OB_STOP_DRAIN, 30 * MS), OB_ETIMEDOUT,
              "\"blocker\"");
  CHECK(test_now() - begin >= 30 * MS);
  test_unblock_loop(&loop);
  CHECK_FAILS(ob_engine_stop(engine, OB_STOP_DRAIN, 30 * MS), OB_ETIMEDOUT,
              "\"held up\"");
  CHECK(strstr(ob_last_error_detail(), "\"pool job\"") != NULL);
  CHECK(strstr(ob_last_error_detail(), "engine \"outboard\"") != NULL);
  CHECK_EQ(ob_request_cancelled(request), 0); /* that was a drain; harden it */
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 30 * MS), OB_ETIMEDOUT);
  CHECK_EQ(ob_request_cancelled(request), 1);
  /* 5 s later: */
  CHECK_FAILS(ob_engine_destroy(engine), OB_EBUSY, "\"held up\"");
  CHECK_EQ(ob_complete(request, 1, ob_result_none()), OB_OK);
  add(&job.gate);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 1);
  CHECK_EQ(ob_ticket_wait(pooled, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  ob_ticket_release(pooled);
}

/* --- What it does --- */

typedef struct chain {
  ob_engine *engine;
  int left, calls, posts, done;
} chain;

static void post_chain(void *arg, int status) {
  chain *c = arg;
  CHECK_EQ(status, OB_OK);
  c->posts++;
}

/* The loop may submit more while it drains. */
static void handle_chain(ob_request *request, void *input, size_t size,
                         void *user) {
  chain *c = user;
  ob_call_opts opts = test_call(handle_chain, c);
  (void)input;
  (void)size;
  c->calls++;
  if (c->left-- > 0) {
    CHECK_EQ(ob_submit(NULL, c->engine, &opts), OB_OK);
    CHECK_EQ(ob_post(c->engine, post_chain, c), OB_OK);
  }
  ob_complete(request, OB_OK, ob_result_none());
}

static void on_stop(ob_engine *engine, void *user) {
  chain *c = user;
  CHECK(ob_engine_current() == engine);
  CHECK_EQ(c->left, -1); /* after all that was accepted */
  CHECK_EQ(c->posts, 100);
  c->done++;
}

TEST(a_drain_runs_what_was_accepted_and_then_on_stop) {
  ob_engine_opts engine_opts = OB_ENGINE_OPTS_INIT;
  chain c = {NULL, 100, 0, 0, 0};
  ob_call_opts opts = test_call(handle_chain, &c);
  test_blocker blocker;
  engine_opts.on_stop = on_stop;
  engine_opts.user = &c;
  CHECK_EQ(ob_engine_start(&c.engine, &engine_opts), OB_OK);
  test_block_loop(c.engine, &blocker);
  CHECK_EQ(ob_submit(NULL, c.engine, &opts), OB_OK);
  CHECK_EQ(ob_engine_stop(c.engine, OB_STOP_DRAIN, 0), OB_ETIMEDOUT);
  CHECK_EQ(ob_submit(NULL, c.engine, &opts), OB_ESHUTDOWN);
  test_unblock_loop(&blocker);
  CHECK_EQ(ob_engine_stop(c.engine, OB_STOP_DRAIN, 20 * S), OB_OK);
  CHECK_EQ(c.calls, 101);
  CHECK_EQ(ob_engine_destroy(c.engine), OB_OK);
  CHECK_EQ(c.done, 1);
}

static void post_shut(void *arg, int status) {
  CHECK_EQ(status, OB_ESHUTDOWN);
  add(arg);
}

TEST(a_cancelling_stop_releases_what_is_queued) {
  ob_engine *engine = test_engine(NULL);
  int ran = 0, posts = 0;
  ob_call_opts opts = test_call(handle_count, &ran);
  ob_ticket *tickets[50];
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
    CHECK_EQ(ob_post(engine, post_shut, &posts), OB_OK);
  }
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  CHECK_EQ(ob_post(engine, post_shut, &posts), OB_ESHUTDOWN);
  test_unblock_loop(&blocker);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 20 * S), OB_OK);
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, NULL), OB_ESHUTDOWN);
    ob_ticket_release(tickets[i]);
  }
  CHECK_EQ(posts, 50);
  CHECK_EQ(ran, 0);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}
