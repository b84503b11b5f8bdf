/* pthread_cancel of a thread that is inside a call takes effect when the call
 * has returned: it neither unwinds through our frames nor leaks or corrupts
 * anything. */
#include "probe.h"

enum { BARE, PLAIN, DEADLINE, EXPIRES, TICKET, MANY, ROOM, WAYS };

typedef struct victim {
  ob_engine *engine;
  int way, entered, ran, inputs, rc, returned, cancelled;
} victim;

static void handle_ran(ob_request *request, void *input, size_t size,
                       void *user) {
  victim *v = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == v->engine);
  add(&v->ran);
  ob_complete(request, OB_OK, ob_result_none());
}

static void count_input(void *data, size_t size, void *user) {
  victim *v = user;
  (void)data;
  (void)size;
  add(&v->inputs);
}

static void count_post(void *arg, int status) {
  victim *v = arg;
  CHECK_EQ(status, OB_OK);
  add(&v->ran);
}

static int wait_for_tickets(victim *v, const ob_call_opts *opts) {
  enum { COUNT = 70 }; /* too many for the stack */
  ob_ticket *tickets[COUNT];
  int count = v->way == MANY ? COUNT : 1, rc;
  size_t index;
  for (int i = 0; i < count; i++)
    CHECK_EQ(ob_submit(&tickets[i], v->engine, opts), OB_OK);
  add(&v->entered);
  rc = v->way == TICKET ? ob_ticket_wait(tickets[0], OB_FOREVER, NULL)
                        : ob_wait_any(tickets, COUNT, OB_FOREVER, &index);
  if (v->way == MANY) CHECK_EQ(ob_wait_all(tickets, COUNT, OB_FOREVER), OB_OK);
  for (int i = 0; i < count; i++) ob_ticket_release(tickets[i]);
  return rc;
}

static int block(victim *v) {
  ob_call_opts opts = test_call(handle_ran, v);
  if (v->way == TICKET || v->way == MANY) return wait_for_tickets(v, &opts);
  add(&v->entered);
  if (v->way == ROOM) return ob_post(v->engine, count_post, v);
  if (v->way == BARE) opts.flags = OB_CALL_SYNC;
  if (v->way == DEADLINE) opts.deadline_ns = 60 * S;
  if (v->way == EXPIRES) opts.deadline_ns = MS;
  if (v->way != BARE) opts.destroy = count_input;
  return ob_call(v->engine, &opts, NULL);
}

static void *run_victim(void *arg) {
  victim *v = arg;
  v->rc = block(v);
  v->returned = 1;
  test_await(&v->cancelled);
  pthread_testcancel();
  return NULL;
}

static void join_cancelled(pthread_t thread) {
  void *value;
  CHECK(pthread_join(thread, &value) == 0);
  CHECK(value == PTHREAD_CANCELED);
}

static void room_for_one(ob_engine_opts *opts) {
  opts->queue_limit = 1;
}

/* The thread is cancelled at some time while it waits for the stalled loop. */
static void cancel_in(int way, int rounds, uint64_t *seed) {
  ob_engine *engine = test_engine(way == ROOM ? room_for_one : NULL);
  while (rounds-- > 0) {
    victim v = {.engine = engine, .way = way, .rc = 1};
    victim filler = {.engine = engine};
    test_blocker blocker;
    pthread_t thread;
    uint64_t until;
    test_block_loop(engine, &blocker);
    if (way == ROOM) CHECK_EQ(ob_post(engine, count_post, &filler), OB_OK);
    thread = test_thread(run_victim, &v);
    test_await(&v.entered);
    until = test_now() + test_random(seed) % 100000;
    while (test_now() < until) sched_yield();
    CHECK(pthread_cancel(thread) == 0);
    set(&v.cancelled, 1);
    if (way == EXPIRES) join_cancelled(thread); /* needs no loop to return */
    test_unblock_loop(&blocker);
    if (way != EXPIRES) join_cancelled(thread);
    flush(engine);
    CHECK_EQ(v.returned, 1);
    CHECK_EQ(v.rc, way == EXPIRES ? OB_ETIMEDOUT : OB_OK);
    CHECK_EQ(v.ran, way == EXPIRES ? 0 : way == MANY ? 70 : 1);
    CHECK_EQ(v.inputs, way == PLAIN || way == DEADLINE || way == EXPIRES);
  }
  test_stop(engine);
}

TEST(of_blocked_callers_takes_effect_on_return) {
  exact_heap("of_blocked_callers_takes_effect_on_return");
  rest before = measure_rest();
  uint64_t seed = test_seed();
  int rounds = (int)test_full(1000, 10000) / WAYS + 1;
  size_t warm, held;
  for (int way = 0; way < WAYS; way++) cancel_in(way, 10, &seed);
  check_at_rest(&before);
  warm = bytes_in_use();
  for (int way = 0; way < WAYS; way++) cancel_in(way, rounds, &seed);
  check_at_rest(&before);
  held = bytes_in_use();
  printf("  %d cancellations; %zu bytes in use before, %zu after\n",
         WAYS * rounds, warm, held);
  CHECK(held <= warm + POOLS);
}

/* A cancellation that is pending already meets every entry point. */
typedef struct pending {
  ob_engine *engine; /* to be stopped, or NULL */
  int steps;
} pending;

static void start_cancelled(pending *p) {
  CHECK(pthread_cancel(pthread_self()) == 0);
  p->steps = 0;
}

static void finish_cancelled(void) {
  pthread_testcancel();
  test_fail(__FILE__, __LINE__, "the cancellation is gone");
}

static void *run_calls(void *arg) {
  pending *p = arg;
  victim v = {.engine = p->engine};
  ob_call_opts opts = test_call(handle_ran, &v);
  ob_cq_record record;
  ob_stats stats = OB_STATS_INIT;
  ob_cq *cq;
  start_cancelled(p);
  for (v.way = 0; v.way < WAYS; v.way++) block(&v);
  p->steps++;
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  opts.cq = cq;
  CHECK_EQ(ob_submit(NULL, p->engine, &opts), OB_OK);
  while (ob_cq_next(cq, &record) != OB_OK) sched_yield();
  CHECK_EQ(ob_cq_next(cq, &record), OB_EAGAIN);
  p->steps++;
  while (ob_cq_destroy(cq) == OB_EBUSY) sched_yield();
  p->steps++;
  CHECK_EQ(ob_engine_stats(p->engine, &stats), OB_OK);
  flush(p->engine); /* v is done with */
  p->steps++;
  finish_cancelled();
  return NULL;
}

TEST(pending_at_calls) {
  rest before = measure_rest();
  for (int i = 0; i < 20; i++) {
    pending p = {test_engine(NULL), 0};
    join_cancelled(test_thread(run_calls, &p));
    CHECK_EQ(p.steps, 4);
    test_stop(p.engine);
  }
  check_at_rest(&before);
}

static void *run_start(void *arg) {
  pending *p = arg;
  ob_engine *shared;
  start_cancelled(p);
  CHECK_EQ(ob_engine_start(&p->engine, NULL), OB_OK);
  p->steps++;
  CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
  p->steps++;
  ob_engine_dispose(shared);
  p->steps++;
  finish_cancelled();
  return NULL;
}

TEST(pending_at_start) {
  rest before = measure_rest();
  for (int i = 0; i < 20; i++) {
    pending p = {NULL, 0};
    join_cancelled(test_thread(run_start, &p));
    CHECK_EQ(p.steps, 3);
    test_stop(p.engine);
    check_at_rest(&before);
  }
}

static void *run_stop(void *arg) {
  pending *p = arg;
  start_cancelled(p);
  CHECK_EQ(ob_engine_stop(p->engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  p->steps++;
  finish_cancelled();
  return NULL;
}

/* Somebody else must still be able to stop and free it. */
TEST(pending_at_stop) {
  rest before = measure_rest();
  for (int i = 0; i < 20; i++) {
    pending p = {test_engine(NULL), 0};
    join_cancelled(test_thread(run_stop, &p));
    CHECK_EQ(ob_engine_stop(p.engine, OB_STOP_CANCEL, 10 * S), OB_OK);
    CHECK_EQ(p.steps, 1);
    test_stop(p.engine);
  }
  check_at_rest(&before);
}

static void *run_destroy(void *arg) {
  pending *p = arg;
  start_cancelled(p);
  CHECK_EQ(ob_engine_destroy(p->engine), OB_OK);
  p->steps++;
  finish_cancelled();
  return NULL;
}

TEST(pending_at_destroy) {
  rest before = measure_rest();
  for (int i = 0; i < 20; i++) {
    pending p = {test_engine(NULL), 0};
    if (i % 2)
      CHECK_EQ(ob_engine_stop(p.engine, OB_STOP_CANCEL, 10 * S), OB_OK);
    join_cancelled(test_thread(run_destroy, &p));
    CHECK_EQ(p.steps, 1);
  }
  check_at_rest(&before);
}
