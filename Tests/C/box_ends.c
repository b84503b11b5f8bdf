/* What ends while a box is open or a call is in it: the caller's thread, the
 * process, its parent. box_stop.c has the engine. */
#include "boxed.h"
#include "child.h"

/* --- Threads ---------------------------------------------------------------
 */

static uint64_t handled; /* loop */

static void handle_numbered(ob_request *request, void *input, size_t size,
                            void *user) {
  uint64_t number;
  CHECK(ob_engine_current() == user);
  CHECK_EQ(size, sizeof number);
  memcpy(&number, input, sizeof number);
  CHECK_EQ(number, handled); /* one that runs twice is found here */
  handled++;
  CHECK_EQ(ob_complete(request, 7, ob_result_none()), OB_OK);
}

static uint64_t made; /* by one thread at a time */

static void call_numbered(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_numbered, engine);
  uint64_t number = made++;
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.flags = OB_CALL_SYNC | (made % 2 ? OB_CALL_COPY : 0);
  CHECK_EQ(ob_call(engine, &opts, NULL), 7);
}

typedef struct visitor {
  ob_engine *engine;
  ob__lane *lane; /* its */
  int opened, may_end, left_open;
} visitor;

/* Hands in nothing but calls: its lane has never held an entry. */
static void *visit(void *arg) {
  visitor *self = arg;
  self->lane = ob__lane_get(self->engine);
  do {
    call_numbered(self->engine);
  } while (box_word(self->lane) == 0);
  set(&self->opened, 1);
  AWAIT(get(&self->may_end));
  return NULL;
}

static void *call_once(void *engine) {
  call_numbered(engine);
  return NULL;
}

/* The loop is held up while the thread ends, so that it cannot close the box
 * before; then it finds a new thread's call. */
static void leave_open(ob_engine *engine, uint64_t *left_open) {
  visitor self = {.engine = engine};
  pthread_t thread = test_thread(visit, &self);
  test_blocker blocker;
  AWAIT(get(&self.opened));
  test_block_loop(engine, &blocker);
  *left_open += box_word(self.lane) != 0;
  set(&self.may_end, 1);
  test_join(thread);
  thread = test_thread(call_once, engine);
  AWAIT(!OB__IS_TAG(__atomic_load_n(&engine->head, __ATOMIC_ACQUIRE)));
  test_unblock_loop(&blocker);
  test_join(thread);
  test_join(test_thread(call_once, engine));
}

static int count_lanes(ob_engine *engine) {
  ob__lane *lane;
  int count = 0;
  ob__registry_lock();
  for (lane = engine->lanes; lane != NULL; lane = lane->next_of_engine) count++;
  ob__registry_unlock();
  return count;
}

TEST(threads_that_leave_their_box_open) {
  ob_engine *engine = pinned_engine(patient);
  uint64_t rounds = test_ops(500), i, left_open = 0;
  for (i = 0; i < rounds; i++) leave_open(engine, &left_open);
  CHECK(left_open > 0);
  AWAIT(count_lanes(engine) == 1); /* this thread's */
  test_stop(engine);
  CHECK_EQ(handled, made);
}

/* Lanes go from engine to engine meanwhile. */
static int visits_over;

static void *start_and_stop(void *arg) {
  uint64_t seed = (uint64_t)(uintptr_t)arg, random, rounds = 0, i;
  while (!get(&visits_over)) {
    ob_engine *engine = test_engine(NULL);
    random = test_random(&seed);
    for (i = random % 64; i > 0; i--) call_some(engine, random + i);
    if (random >> 8 & 1)
      test_stop(engine);
    else
      ob_engine_dispose(engine);
    rounds++;
  }
  CHECK(rounds > 0);
  return NULL;
}

static void *visit_briefly(void *arg) {
  box_caller *self = arg;
  uint64_t i, random = test_random(&self->seed);
  ob__lane *lane = ob__lane_get(self->engine);
  for (i = 10 + random % 30; i > 0; i--)
    self->boxed += (uint64_t)call_some(self->engine, random + i);
  self->ready += box_word(lane) != 0;
  return NULL;
}

TEST(thousands_of_threads_and_engines_that_come_and_go) {
  ob_engine *engine = pinned_engine(patient);
  box_caller visitor = {.engine = engine, .seed = test_seed()};
  uint64_t rounds = test_ops(2e4), i;
  pthread_t other =
      test_thread(start_and_stop, (void *)(uintptr_t)visitor.seed);
  for (i = 0; i < rounds; i++) test_join(test_thread(visit_briefly, &visitor));
  set(&visits_over, 1);
  test_join(other);
  printf("  %d of %llu left it open\n", visitor.ready,
         (unsigned long long)rounds);
  CHECK(visitor.boxed > 0 && visitor.ready > 0);
  AWAIT(count_lanes(engine) <= 1);
  test_stop(engine);
}

static int held, let_go;
static void handle_held(ob_request *request, void *input, size_t size,
                        void *user) {
  CHECK(input == NULL && size == 0);
  *(int *)user = is_boxed(request);
  set(&held, 1);
  test_await(&let_go);
  CHECK_EQ(ob_complete(request, 9, ob_result_none()), OB_OK);
}

typedef struct victim {
  ob_engine *engine;
  int boxed, rc;
} victim;

static void *call_held(void *arg) {
  victim *self = arg;
  ob_call_opts opts = test_call(handle_held, &self->boxed);
  opts.flags = OB_CALL_SYNC;
  open_box(self->engine);
  self->rc = ob_call(self->engine, &opts, NULL);
  pthread_testcancel();
  return self;
}

static pthread_t start_held(victim *self, ob_engine *engine) {
  pthread_t thread;
  *self = (victim){engine, 0, -1};
  set(&held, 0);
  set(&let_go, 0);
  thread = test_thread(call_held, self);
  test_await(&held);
  return thread;
}

TEST(pthread_cancel_takes_effect_on_return) {
  ob_engine *engine = pinned_engine(patient);
  uint64_t boxed = 0;
  int i;
  for (i = 0; i < 50; i++) {
    victim self;
    pthread_t thread = start_held(&self, engine);
    void *ended;
    CHECK(pthread_cancel(thread) == 0);
    if (i % 2) test_sleep_ms(1); /* until it has parked */
    set(&let_go, 1);
    CHECK(pthread_join(thread, &ended) == 0 && ended == PTHREAD_CANCELED);
    CHECK_EQ(self.rc, 9);
    boxed += (uint64_t)self.boxed;
    CHECK_EQ(ob_post(engine, post_pin, (void *)0), OB_OK);
  }
  CHECK(boxed > 0);
  test_stop(engine);
}

/* A handler that runs answers, whatever has become of the engine. */
TEST(dispose_while_a_boxed_handler_runs) {
  uint64_t rounds = test_ops(300), i, boxed = 0;
  for (i = 0; i < rounds; i++) {
    victim self;
    pthread_t thread = start_held(&self, pinned_engine(patient));
    ob_engine_dispose(self.engine);
    set(&let_go, 1);
    test_join(thread);
    CHECK_EQ(self.rc, 9);
    boxed += (uint64_t)self.boxed;
  }
  CHECK(boxed > 0);
}

/* --- The process -----------------------------------------------------------
 */

static void restarting(ob_engine_opts *opts) {
  opts->fork_policy = OB_FORK_RESTART;
}

/* The parent's box is not the child's, open or with a call in it. */
static void call_in_child(void *arg) {
  ob_engine *engine = arg;
  ob_stats stats = OB_STATS_INIT;
  uint64_t i, boxed = 0;
  if (engine->opts.fork_policy != OB_FORK_RESTART) {
    ob_call_opts opts = test_call(handle_held, NULL);
    opts.flags = OB_CALL_SYNC;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_EFORKED);
    return;
  }
  call_some(engine, 1); /* a fresh loop */
  open_box(engine);
  for (i = 0; i < 100; i++) boxed += (uint64_t)call_some(engine, i);
  CHECK(boxed > 0);
  do { /* it sleeps, so the box is closed */
    test_sleep_ms(1);
    CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  } while (stats.sleeps == 0);
  CHECK_EQ(box_word(ob__lane_get(engine)), 0);
  test_stop(engine);
}

static void fork_with_a_box(void (*change)(ob_engine_opts *)) {
  ob_engine *engine = pinned_engine(change);
  victim self;
  pthread_t thread;
  int i;
  for (i = 0; i < 10; i++) {
    open_box(engine);
    in_child(call_in_child, engine);
    thread = start_held(&self, engine);
    in_child(call_in_child, engine);
    set(&let_go, 1);
    test_join(thread);
    CHECK_EQ(self.rc, 9);
  }
  test_stop(engine);
}

TEST(fork_with_an_open_box) {
  fork_with_a_box(NULL);
}
TEST(fork_with_an_open_box_and_a_restart) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  fork_with_a_box(restarting);
}

/* The harness calls exit() next, which must not wait for it. */
TEST(exit_with_a_call_in_the_box) {
  static victim self;
  ob_engine *engine = pinned_engine(patient);
  pthread_t thread = start_held(&self, engine);
  while (!self.boxed) { /* the loop had slept */
    set(&let_go, 1);
    test_join(thread);
    thread = start_held(&self, engine);
  }
}
