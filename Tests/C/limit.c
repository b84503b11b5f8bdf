/* queue_limit: what happens when the queue is full.
 *
 * With the loop blocked nothing leaves the queue, so that the number accepted
 * is the limit itself: exactly for one producer, at most one more for each
 * racing one. Then the three policies: refuse, wait, wait until a deadline; and
 * who may not wait. OB_BREAK_LIMIT accepts everything. */
#include "harness.h"
#include "internal.h"

static uint32_t limit;

static void limited(ob_engine_opts *opts) {
  opts->queue_limit = limit;
}

static ob_engine *limited_engine(uint32_t most) {
  limit = most;
  return test_engine(limited);
}

/* Posts count themselves, and those that stop gave up; on the loop. */
static uint64_t ran, given_up;

static void count_run(void *arg, int status) {
  CHECK(ob_engine_current() == arg);
  CHECK(status == OB_OK || status == OB_ESHUTDOWN);
  *(status == OB_OK ? &ran : &given_up) += 1;
}

/* Fills the queue; returns how many it took. */
static uint64_t fill(ob_engine *engine) {
  uint64_t accepted = 0, most = limit * 2u + 100;
  int rc = OB_OK;
  while (accepted < most &&
         (rc = ob_try_post(engine, count_run, engine)) == OB_OK)
    accepted++;
  CHECK_EQ(rc, OB_EAGAIN);
  return accepted;
}

static ob_stats stats_of(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  return stats;
}

/* Answers 42. */
static ob_call_opts increment_41(void) {
  static int input = 41;
  ob_call_opts opts = test_call(handle_increment, NULL);
  opts.input = &input;
  opts.input_size = sizeof input;
  return opts;
}

/* --- Refusing ------------------------------------------------------------- */

static void accepts_exactly(uint32_t most) {
  ob_engine *engine = limited_engine(most);
  ob_call_opts behind = increment_41();
  test_blocker blocker;
  unsigned round, i;
  for (round = 1; round <= 3; round++) {
    test_block_loop(engine, &blocker);
    CHECK_EQ(fill(engine), most);
    for (i = 0; i < 100; i++)
      CHECK_FAILS(ob_try_post(engine, count_run, engine), OB_EAGAIN, "limit");
    CHECK_EQ(stats_of(engine).refused, round * 101u);
    test_unblock_loop(&blocker);
    CHECK_EQ(ob_call(engine, &behind, NULL), OB_OK); /* FIFO */
    CHECK_EQ(ran, (uint64_t)most * round);
  }
  ran = 0;
  test_stop(engine);
}

TEST(one_producer_gets_exactly_the_limit) {
  static const uint32_t limits[] = {1, 2, 7, 64, 255, 256, 1023, 5000, 65536};
  size_t i;
  for (i = 0; i < sizeof limits / sizeof *limits; i++)
    accepts_exactly(limits[i]);
}

static void never_run(ob_node *node, int status) {
  CHECK(node == NULL && status == -1); /* never gets here */
}

static int destroyed;

static void note_destroy(void *data, size_t size, void *user) {
  CHECK(data != NULL && size == sizeof(int) && user == NULL);
  CHECK(ob_engine_current() == NULL);
  destroyed++;
}

/* What was refused is still the submitter's; ob_call destroys it. */
TEST(nowait_refuses_every_kind) {
  ob_engine *engine = limited_engine(3);
  ob_call_opts opts = increment_41();
  ob_node node = {NULL, never_run};
  ob_ticket *ticket = (ob_ticket *)&node;
  test_blocker blocker;
  uint32_t flags;
  test_block_loop(engine, &blocker);
  CHECK_EQ(fill(engine), 3);
  CHECK_EQ(ob_post_node(engine, &node), OB_EAGAIN);
  for (flags = 0; flags < 8; flags++) {
    opts.flags = OB_CALL_NOWAIT | (flags & 1 ? OB_CALL_SYNC : 0);
    opts.deadline_ns = flags & 2 ? UINT64_C(60000000000) : OB_FOREVER;
    opts.destroy = flags & 4 ? note_destroy : NULL;
    CHECK_FAILS(ob_call(engine, &opts, NULL), OB_EAGAIN, "limit");
    CHECK_FAILS(ob_submit(&ticket, engine, &opts), OB_EAGAIN, "limit");
    CHECK(ticket == NULL);
    CHECK_EQ(destroyed, flags < 4 ? 0 : flags - 3);
  }
  CHECK_EQ(stats_of(engine).refused, 1 + 1 + 16);
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(destroyed, 4);
}

/* 5 million refusals leave no trace in memory; nor do as many posts to a loop
 * that is slower than they. */
static uint64_t resident(void) {
  unsigned long total, pages;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%lu %lu", &total, &pages) == 2);
  fclose(file);
  return pages * 4096u;
}

TEST(refusals_use_no_memory) {
  ob_engine *engine = limited_engine(1000);
  uint64_t i, ops = test_ops(5e6), before;
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  CHECK_EQ(fill(engine), 1000);
  before = resident();
  for (i = 0; i < ops; i++)
    CHECK_EQ(ob_try_post(engine, count_run, engine), OB_EAGAIN);
  CHECK(resident() < before + (2u << 20));
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(ran, 1000);
}

static void run_slowly(void *arg, int status) {
  int i;
  count_run(arg, status);
  for (i = 0; i < 200; i++) __asm__ volatile("" ::: "memory");
}
TEST(waiting_producers_use_no_memory) {
  ob_engine *engine = limited_engine(1000);
  uint64_t i, ops = test_ops(5e6), before = resident();
  for (i = 0; i < ops; i++)
    CHECK_EQ(ob_post(engine, run_slowly, engine), OB_OK);
  CHECK(resident() < before + (4u << 20));
  test_stop(engine);
  CHECK_EQ(ran, ops);
}

/* --- Waiting -------------------------------------------------------------- */

typedef struct waiter {
  ob_engine *engine;
  pthread_t thread;
  int kind, status;
} waiter;

static void *wait_for_room(void *arg) {
  waiter *self = arg;
  ob_call_opts opts = increment_41();
  opts.flags = self->kind & 1 ? OB_CALL_SYNC : 0;
  if (self->kind == 4) {
    self->status = ob_post(self->engine, count_run, self->engine);
  } else if (self->kind & 2) {
    self->status = ob_submit(NULL, self->engine, &opts);
  } else {
    ob_result result;
    self->status = ob_call(self->engine, &opts, &result);
    if (self->status == OB_OK)
      CHECK_EQ(*(const int *)ob_result_data(&result), 42);
    ob_result_free(&result);
  }
  return NULL;
}

#define WAITERS 10
static waiter waiters[WAITERS];

/* Ten threads, two of each kind, and all of them wait. */
static void start_waiters(ob_engine *engine) {
  int i;
  for (i = 0; i < WAITERS; i++) {
    waiters[i] = (waiter){.engine = engine, .kind = i % 5, .status = 1};
    waiters[i].thread = test_thread(wait_for_room, &waiters[i]);
  }
  while (ob__load_relaxed(&engine->room_waiters) != WAITERS) test_sleep_ms(1);
}

static void join_waiters(int status) {
  int i;
  for (i = 0; i < WAITERS; i++) {
    test_join(waiters[i].thread);
    CHECK_EQ(waiters[i].status, status);
  }
}

TEST(room_comes_back) {
  ob_engine *engine = limited_engine(2);
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  CHECK_EQ(fill(engine), 2);
  start_waiters(engine);
  test_unblock_loop(&blocker);
  join_waiters(OB_OK);
  test_stop(engine);
  CHECK_EQ(ran, 2 + 2);
}

/* While the loop is still blocked: nobody waits for it to be told. */
static void stopped_while_waiting(int mode) {
  ob_engine *engine = limited_engine(2);
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  CHECK_EQ(fill(engine), 2);
  start_waiters(engine);
  CHECK_EQ(ob_engine_stop(engine, mode, 1000000), OB_ETIMEDOUT);
  join_waiters(OB_ESHUTDOWN);
  CHECK_EQ(stats_of(engine).refused, WAITERS + 1);
  __atomic_store_n(&blocker.gate, 1, __ATOMIC_RELEASE);
  CHECK_EQ(ob_engine_stop(engine, mode, OB_FOREVER), OB_OK);
  ob_ticket_release(blocker.ticket);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

TEST(draining_ends_the_wait) {
  stopped_while_waiting(OB_STOP_DRAIN);
  CHECK_EQ(ran, 2);
}
TEST(cancelling_ends_the_wait) {
  stopped_while_waiting(OB_STOP_CANCEL);
  CHECK_EQ(given_up, 2);
}

static void deadline_passes(ob_engine *engine, int submit) {
  ob_call_opts opts = increment_41();
  uint64_t begin = test_now();
  opts.destroy = note_destroy;
  opts.deadline_ns = 30000000;
  CHECK_FAILS(
      submit ? ob_submit(NULL, engine, &opts) : ob_call(engine, &opts, NULL),
      OB_ETIMEDOUT, "no room");
  CHECK(test_now() - begin >= 30000000);
  CHECK_EQ(destroyed, !submit);
}

TEST(waiting_ends_with_the_deadline) {
  ob_engine *engine = limited_engine(1);
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  CHECK_EQ(fill(engine), 1);
  deadline_passes(engine, 1);
  deadline_passes(engine, 0);
  CHECK_EQ(stats_of(engine).refused, 3);
  CHECK_EQ(stats_of(engine).timed_out, 0); /* never accepted */
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(destroyed, 1);
}

/* --- On the loop ---------------------------------------------------------- */

static void fill_own_queue(ob_request *request, void *input, size_t size,
                           void *user) {
  ob_engine *engine = user;
  ob_call_opts opts = increment_41();
  (void)input;
  (void)size;
  CHECK_EQ(fill(engine), limit);
  CHECK_FAILS(ob_post(engine, count_run, engine), OB_EDEADLK, "own loop");
  CHECK_FAILS(ob_submit(NULL, engine, &opts), OB_EDEADLK, "own loop");
  opts.flags = OB_CALL_NOWAIT;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_EAGAIN);
  opts.flags = OB_CALL_SYNC; /* inline: needs no room */
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(the_loop_does_not_wait_for_itself) {
  ob_engine *engine = limited_engine(5);
  ob_call_opts opts = test_call(fill_own_queue, engine);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  CHECK_EQ(stats_of(engine).refused, 4);
  test_stop(engine);
  CHECK_EQ(ran, 5);
}

/* --- Credits -------------------------------------------------------------- */

static pthread_barrier_t called, over;
static void *call_and_idle(void *engine) {
  CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  pthread_barrier_wait(&called);
  pthread_barrier_wait(&over);
  return NULL;
}

/* Idle threads hold credits; the one that works gets them all. */
static void idle_threads(uint32_t most, unsigned count) {
  ob_engine *engine = limited_engine(most);
  pthread_t threads[64];
  test_blocker blocker;
  unsigned i;
  pthread_barrier_init(&called, NULL, count + 1);
  pthread_barrier_init(&over, NULL, count + 1);
  for (i = 0; i < count; i++) threads[i] = test_thread(call_and_idle, engine);
  pthread_barrier_wait(&called);
  test_block_loop(engine, &blocker);
  CHECK_EQ(fill(engine), most);
  test_unblock_loop(&blocker);
  pthread_barrier_wait(&over);
  for (i = 0; i < count; i++) test_join(threads[i]);
  test_stop(engine);
  CHECK_EQ(ran, count + most);
  ran = 0;
}

TEST(idle_threads_do_not_starve_others) {
  idle_threads(8, 8);
  idle_threads(64, 64);
  idle_threads(4096, 64);  /* 4 credits at a time */
  idle_threads(65536, 64); /* 64 at a time */
}

/* Callers that wait for their answer count, too; a race might exceed it. */
TEST(blocked_callers_take_room) {
  ob_engine *engine = limited_engine(WAITERS);
  test_blocker blocker;
  int i;
  test_block_loop(engine, &blocker);
  for (i = 0; i < WAITERS; i++) {
    waiters[i] = (waiter){.engine = engine, .kind = i % 2, .status = 1};
    waiters[i].thread = test_thread(wait_for_room, &waiters[i]);
    while (stats_of(engine).submitted != 2 + (uint64_t)i) test_sleep_ms(1);
  }
  CHECK_EQ(fill(engine), 0);
  test_unblock_loop(&blocker);
  join_waiters(OB_OK);
  test_stop(engine);
}

/* --- Races ---------------------------------------------------------------- */

#define RACERS 8
/* The number it got in. */
static void *race(void *engine) {
  uint64_t accepted = 0;
  unsigned refused = 0;
  while (refused < 20 && accepted < 10000) {
    int rc = ob_try_post(engine, count_run, engine);
    CHECK(rc == OB_OK || rc == OB_EAGAIN);
    accepted += rc == OB_OK;
    refused += rc != OB_OK;
  }
  return (void *)(uintptr_t)accepted;
}

static uint64_t race_round(ob_engine *engine) {
  pthread_t threads[RACERS];
  uint64_t sum = 0;
  void *accepted;
  int i;
  for (i = 0; i < RACERS; i++) threads[i] = test_thread(race, engine);
  for (i = 0; i < RACERS; i++) {
    CHECK(pthread_join(threads[i], &accepted) == 0);
    sum += (uintptr_t)accepted;
  }
  return sum;
}

/* While credits move from lane to lane each racing producer may go one over,
 * never more, whatever the number of rounds; and none is lost. */
TEST(racing_producers_exceed_it_by_one_each_at_most) {
  ob_engine *engine = limited_engine(37);
  uint64_t rounds = test_ops(400), round, sum = 0;
  test_blocker blocker;
  for (round = 0; round < rounds; round++) {
    uint64_t accepted;
    test_block_loop(engine, &blocker);
    accepted = race_round(engine);
    accepted += fill(engine);
    CHECK(accepted >= 37 && accepted <= 37 + RACERS);
    sum += accepted;
    test_unblock_loop(&blocker);
  }
  test_stop(engine);
  CHECK_EQ(ran, sum);
}
