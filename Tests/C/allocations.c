/* What a call, a submission and a post cost in allocations, counted: exactly so
 * many, in steady state, with callers that spin and with callers that park. */
#include "counting.h"

/* Exactly so many allocations, and as many frees, per turn: with callers that
 * spin, and with callers that always park. */
static void allocates(void (*turn)(ob_engine *, int), uint64_t each) {
  uint64_t rounds = test_ops(2e4), i, parked;
  for (parked = 0; parked < 2; parked++) {
    ob_engine *engine = counted_engine(parked ? always_park : NULL);
    ob_call_opts opts = test_call(handle_run, NULL);
    opts.input = engine;
    warm_up(engine);
    for (i = 0; i < 600; i++) turn(engine, (int)i);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    count_anew();
    for (i = 0; i < rounds; i++) turn(engine, (int)i);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK); /* all frees are done */
    CHECK_EQ(counted(ALLOCATIONS), each * rounds);
    CHECK_EQ(counted(FREES), each * rounds);
    test_stop(engine);
  }
}

/* What a call is made with, and the size of its input and answer. */
static uint32_t flags;
static uint64_t deadline = OB_FOREVER;
static size_t bytes = OB_RESULT_INLINE;

static void handle_echo(ob_request *request, void *input, size_t size,
                        void *user) {
  CHECK(ob_engine_current() == user);
  ob_complete(request, OB_OK, ob_result_copy(input, size));
}

static void call(ob_engine *engine, int number) {
  char input[64];
  ob_call_opts opts = test_call(handle_echo, engine);
  ob_result result;
  memset(input, number & 127, sizeof input);
  opts.input = input;
  opts.input_size = bytes;
  opts.flags = flags;
  opts.deadline_ns = deadline;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  CHECK_EQ(result.size, bytes);
  CHECK(memcmp(ob_result_data(&result), input, bytes) == 0);
  ob_result_free(&result);
}

TEST(synchronous_calls_allocate_nothing) {
  flags = OB_CALL_SYNC;
  allocates(call, 0);
}
TEST(a_result_above_32_bytes_is_one_allocation) {
  flags = OB_CALL_SYNC;
  bytes = OB_RESULT_INLINE + 1;
  allocates(call, 1);
}
TEST(asynchronous_handlers_allocate_nothing) {
  allocates(call, 0);
}
TEST(calls_with_deadline_allocate_nothing) {
  deadline = UINT64_C(60000000000);
  flags = OB_CALL_SYNC | OB_CALL_BORROW;
  allocates(call, 0);
}
TEST(a_small_input_is_copied_without_allocation) {
  deadline = UINT64_C(60000000000);
  bytes = OB_RESULT_INLINE;
  allocates(call, 0);
}
/* The input's copy, and the result's. */
TEST(above_32_bytes_a_copied_input_is_one_allocation) {
  deadline = UINT64_C(60000000000);
  bytes = OB_RESULT_INLINE + 1;
  allocates(call, 2);
}

static void submit_and_wait(ob_engine *engine, int number) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  ob_ticket *tickets[2];
  ob_result result;
  size_t index, i;
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.flags = OB_CALL_BORROW;
  for (i = 0; i < 2; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_any(tickets, 2, OB_FOREVER, &index), OB_OK);
  for (i = 0; i < 2; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, &result), OB_OK);
    CHECK_EQ(*(const int *)ob_result_data(&result), number + 1);
    ob_result_free(&result);
    ob_ticket_release(tickets[i]);
  }
}
TEST(submissions_allocate_nothing) {
  allocates(submit_and_wait, 0);
}

/* How many blocks are under way depends on how far the loop is behind: more at
 * first than ever later, so that none is missing then. */
static void pile_up(ob_engine *engine) {
  test_blocker blocker;
  int i;
  test_block_loop(engine, &blocker);
  for (i = 0; i < 255 * 4; i++)
    CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  test_unblock_loop(&blocker);
  call(engine, 0);
}

static void post_some(ob_engine *engine, int number) {
  int i;
  if (number == 0) pile_up(engine);
  for (i = 0; i < 7; i++) CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  if (number % 16 == 0) call(engine, number); /* 112 queued at most */
}
TEST(posts_allocate_nothing) {
  allocates(post_some, 0);
}

static void submit_alone(ob_engine *engine, int number) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.flags = OB_CALL_SYNC;
  if (number == 0) pile_up(engine);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  if (number % 64 == 0) call(engine, number);
}
TEST(submissions_without_ticket_allocate_nothing) {
  allocates(submit_alone, 0);
}

/* A block that no cache holds is needed for each 255 that wait. */
TEST(posts_that_pile_up_allocate_blocks) {
  ob_engine *engine = counted_engine(NULL);
  test_blocker blocker;
  int i;
  test_block_loop(engine, &blocker);
  count_anew();
  for (i = 0; i < 255 * 100; i++)
    CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  CHECK_EQ(counted(ALLOCATIONS), 100);
  test_unblock_loop(&blocker);
  test_stop(engine);
}

/* --- Inspected ------------------------------------------------------------
 */

/* On, with every call measured and recorded: what is needed was allocated when
 * it was switched on. */
static void inspect_all(ob_engine_opts *opts) {
  static ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  inspect.every = 1;
  opts->inspect = &inspect;
}

TEST(measuring_and_recording_allocate_nothing) {
  uint64_t rounds = test_ops(2e4), i;
  ob_engine *engine = counted_engine(inspect_all);
  ob_health health = OB_HEALTH_INIT;
  uint64_t before;
  warm_up(engine);
  flags = 0;
  for (i = 0; i < 600; i++) call(engine, (int)i);
  CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  before = health.run.count;
  count_anew();
  for (i = 0; i < rounds; i++) {
    flags = i & 1 ? OB_CALL_SYNC : 0;
    call(engine, (int)i);
  }
  CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  CHECK_EQ(counted(ALLOCATIONS), 0);
  CHECK(health.run.count >= before + rounds - 1);
  test_stop(engine);
}
