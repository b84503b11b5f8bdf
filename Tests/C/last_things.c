/* What happens while an engine ends: memory that is given back in its last
 * callbacks, inputs of jobs that a cancelling stop meets as they begin, credits
 * of threads that have been idle for long. */
#include "outboard_spi.h"
#include "probe.h"

/* --- Memory ----------------------------------------------------------------
 */

#define TICKETS 20
static ob_ticket *tickets[TICKETS];
static int released;

static void release_all(ob_timer *timer, int status) {
  int i;
  CHECK_EQ(status, OB_ESHUTDOWN);
  CHECK(ob_engine_current() != NULL && timer->slot == 0);
  for (i = 0; i < TICKETS; i++) {
    ob_ticket_release(tickets[i]);
    tickets[i] = NULL; /* or LeakSanitizer would find them here */
  }
  released = 1;
}

static void arm(void *timer, int status) {
  CHECK_EQ(status, OB_OK);
  ob_spi_timer_start(ob_engine_current(), timer, 100 * S);
}

/* Of another thread's lane; LeakSanitizer sees what is lost. */
TEST(tickets_released_by_the_loops_last_callback) {
  ob_engine *engine = test_engine(NULL);
  int ran = 0, i;
  ob_call_opts opts = test_call(handle_count, &ran);
  static ob_timer timer = {.fire = release_all};
  for (i = 0; i < TICKETS; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_post(engine, arm, &timer), OB_OK);
  test_stop(engine);
  CHECK(released && ran == TICKETS);
}

/* --- Inputs ----------------------------------------------------------------
 */

static int bad;

static void handle_slow_read(ob_request *request, void *input, size_t size,
                             void *user) {
  const volatile unsigned char *bytes = input;
  uint64_t until = test_now() + 500 * 1000;
  (void)user;
  while (test_now() < until)
    if (bytes[until % size] != 1) set(&bad, 1);
  ob_complete(request, OB_OK, ob_result_none());
}

/* The input is the caller's again when the call has returned. */
static void *call_until_refused(void *engine) {
  unsigned char input[16];
  ob_call_opts opts = test_call(handle_slow_read, NULL);
  int rc = OB_OK;
  opts.input = input;
  opts.input_size = sizeof input;
  opts.flags = OB_CALL_OFFLOAD;
  while (rc == OB_OK) {
    memset(input, 1, sizeof input);
    rc = ob_call(engine, &opts, NULL);
    memset(input, 2, sizeof input);
  }
  CHECK_EQ(rc, OB_ESHUTDOWN);
  return NULL;
}

TEST(a_job_that_begins_as_the_engine_stops_keeps_its_input) {
  uint64_t seed = test_seed(), rounds = test_ops(300), i;
  for (i = 0; i < rounds; i++) {
    ob_engine *engine = test_engine(NULL);
    pthread_t callers[3];
    uint64_t until;
    int k;
    for (k = 0; k < 3; k++)
      callers[k] = test_thread(call_until_refused, engine);
    until = test_now() + test_random(&seed) % (500 * 1000);
    while (test_now() < until) sched_yield();
    CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
    for (k = 0; k < 3; k++) test_join(callers[k]);
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
    CHECK_EQ(get(&bad), 0);
  }
}

/* --- Credits ---------------------------------------------------------------
 */

#define IDLERS 50
static int idle, go, over;

static void nothing(void *arg, int status) {
  (void)arg, (void)status;
}

static void *post_twice_then_wait(void *engine) {
  int i;
  for (i = 0; i < 2; i++) CHECK_EQ(ob_post(engine, nothing, NULL), OB_OK);
  add(&idle);
  test_await(&go);
  while (ob_try_post(engine, nothing, NULL) == OB_OK) add(&over);
  return NULL;
}

static void limit_of_65536(ob_engine_opts *opts) {
  opts->queue_limit = 65536;
}

/* What another lane has taken of its credits, an idle one does not use. */
TEST(idle_lanes_do_not_exceed_the_limit) {
  ob_engine *engine = test_engine(limit_of_65536);
  pthread_t idlers[IDLERS];
  test_blocker blocker;
  int accepted = 0, i;
  for (i = 0; i < IDLERS; i++)
    idlers[i] = test_thread(post_twice_then_wait, engine);
  await_count(&idle, IDLERS, "idle");
  test_block_loop(engine, &blocker);
  while (ob_try_post(engine, nothing, NULL) == OB_OK) accepted++;
  set(&go, 1);
  for (i = 0; i < IDLERS; i++) test_join(idlers[i]);
  CHECK(accepted >= 65000 && accepted + get(&over) <= 65536 + IDLERS);
  test_unblock_loop(&blocker);
  test_stop(engine);
}
