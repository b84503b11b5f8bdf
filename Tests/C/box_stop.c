/* Engines that end while calls go through the box, or with one in it: stopped
 * in both modes, disposed of. Each call is answered right or refused. */
#include "boxed.h"

typedef struct until_stopped {
  ob_engine *engine;
  uint64_t seed, boxed;
  int opened, calls;
} until_stopped;

static void *call_until_stopped(void *arg) {
  until_stopped *self = arg;
  box_call call;
  ob_result result;
  int status;
  for (;;) {
    call = box_call_some(self->engine, test_random(&self->seed));
    call.number -= call.number % 5; /* its status: OB_OK */
    status = box_call_make(&call, &result);
    if (status == OB_ESHUTDOWN) break;
    box_call_check(&call, status, &result);
    self->boxed += (uint64_t)call.boxed;
    if (call.boxed) set(&self->opened, 1);
    add(&self->calls);
  }
  CHECK_EQ(call.runs, 0);
  CHECK(ob_result_data(&result) == NULL);
  return NULL;
}

static void stop_often(int mode) {
  uint64_t seed = test_seed(), rounds = test_ops(1000), i, boxed = 0;
  for (i = 0; i < rounds; i++) {
    uint64_t random = test_random(&seed);
    until_stopped self = {pinned_engine(patient), random, 0, 0, 0};
    pthread_t thread = test_thread(call_until_stopped, &self);
    AWAIT(get(&self.opened) || get(&self.calls) > 100);
    busy_ns(random % 20000);
    CHECK_EQ(ob_engine_stop(self.engine, mode, OB_FOREVER), OB_OK);
    test_join(thread);
    boxed += self.boxed;
    CHECK_EQ(ob_engine_destroy(self.engine), OB_OK);
  }
  CHECK(boxed > 0);
}

TEST(draining_stops_while_boxed_calls_are_made) {
  stop_often(OB_STOP_DRAIN);
}
TEST(cancelling_stops_while_boxed_calls_are_made) {
  stop_often(OB_STOP_CANCEL);
}

/* The stop finds a call in the box that the loop has not looked at, or has
 * taken and put behind what fills its batch. */
static void post_nothing(void *arg, int status) {
  CHECK(arg == NULL && (status == OB_OK || status == OB_ESHUTDOWN));
}
static void patient_and_slow(ob_engine_opts *opts) {
  patient(opts);
  opts->batch_limit = 1;
}

enum { DRAIN, CANCEL, DISPOSE };

typedef struct last_call {
  box_call call;
  ob__lane *lane;
  ob_result result;
  int opened, go, status;
} last_call;

static void *make_last_call(void *arg) {
  last_call *self = arg;
  self->lane = open_box(self->call.engine);
  set(&self->opened, 1);
  AWAIT(get(&self->go));
  self->status = box_call_make(&self->call, &self->result);
  return NULL;
}

static void begin_end(ob_engine *engine, int how) {
  if (how == DISPOSE)
    ob_engine_dispose(engine);
  else
    CHECK_EQ(ob_engine_stop(engine,
                            how == DRAIN ? OB_STOP_DRAIN : OB_STOP_CANCEL, 0),
             OB_ETIMEDOUT);
}

/* 1 if the call was in the box. */
static int end_with_a_call_in_it(int how, uint64_t random) {
  ob_engine *engine = pinned_engine(patient_and_slow);
  last_call self = {.call = box_call_some(engine, random)};
  pthread_t thread = test_thread(make_last_call, &self);
  test_blocker blocker;
  uint32_t word;
  uint64_t i;
  AWAIT(get(&self.opened));
  test_block_loop(engine, &blocker);
  for (i = 0; i < random % 3; i++)
    CHECK_EQ(ob_post(engine, post_nothing, NULL), OB_OK);
  word = box_word(self.lane);
  set(&self.go, 1);
  if (word != 0)
    AWAIT(box_word(self.lane) != word);
  else
    AWAIT(self.lane->held == 1 &&
          !OB__IS_TAG(__atomic_load_n(&engine->head, __ATOMIC_ACQUIRE)));
  begin_end(engine, how);
  test_unblock_loop(&blocker);
  test_join(thread);
  if (how == DRAIN) {
    box_call_check(&self.call, self.status, &self.result);
  } else {
    CHECK_EQ(self.status, OB_ESHUTDOWN);
    CHECK_EQ(self.call.runs, 0);
    CHECK(ob_result_data(&self.result) == NULL);
  }
  if (how != DISPOSE) CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  return word != 0;
}

static void end_often(int how) {
  uint64_t seed = test_seed(), rounds = test_ops(300), i, boxed = 0;
  for (i = 0; i < rounds; i++)
    boxed += (uint64_t)end_with_a_call_in_it(how, test_random(&seed));
  CHECK(boxed > 0);
}

TEST(a_draining_stop_runs_the_call_in_the_box) {
  end_often(DRAIN);
}
TEST(a_cancelling_stop_ends_the_call_in_the_box) {
  end_often(CANCEL);
}
TEST(dispose_ends_the_call_in_the_box) {
  rest before = measure_rest();
  end_often(DISPOSE);
  check_at_rest(&before);
}
