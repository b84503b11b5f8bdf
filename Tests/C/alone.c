/* Submissions that nobody can ask about later (no ticket, answered before the
 * handler returns): they travel in the lane itself, with their input. Content,
 * order, the end of the engine, the limit. */
#include "probe.h"

#define LONGEST 40 /* above 32 the input is copied elsewhere */

static uint64_t begun, ended; /* loop */

/* What the input of submission n consists of. */
static size_t size_of(uint64_t n) {
  return (size_t)(n * 7 % (LONGEST + 1));
}
static unsigned char byte_of(uint64_t n, size_t i) {
  return (unsigned char)(n * 31 + i);
}

static void handle(ob_request *request, void *input, size_t size, void *user) {
  uint64_t n = (uint64_t)(uintptr_t)user;
  const unsigned char *bytes = input;
  size_t i;
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK_EQ(n, begun);
  CHECK_EQ(size, size_of(n));
  for (i = 0; i < size; i++) CHECK_EQ(bytes[i], byte_of(n, i));
  CHECK_EQ(ob_request_remaining(request), OB_FOREVER);
  CHECK_EQ(ob_request_cancelled(request), 0);
  begun++;
  CHECK_EQ(ob_complete(request, (int)(n % 3), ob_result_copy(&n, sizeof n)),
           OB_OK);
  CHECK_EQ(ob_complete(request, 0, ob_result_none()), OB_EALREADY);
}

static void done(int status, ob_result *result, void *user) {
  uint64_t n = (uint64_t)(uintptr_t)user;
  CHECK(ob_engine_current() != NULL);
  CHECK_EQ(n, ended);
  CHECK_EQ(status, (int)(n % 3));
  CHECK_EQ(result->size, sizeof n);
  CHECK_EQ(*(const uint64_t *)ob_result_data(result), n);
  __atomic_store_n(&ended, n + 1, __ATOMIC_RELEASE);
}

static int submit(ob_engine *engine, uint64_t n, uint32_t flags) {
  unsigned char input[LONGEST];
  ob_call_opts opts = test_call(handle, (void *)(uintptr_t)n);
  size_t i;
  opts.input_size = size_of(n);
  for (i = 0; i < opts.input_size; i++) input[i] = byte_of(n, i);
  opts.input = input;
  opts.flags = OB_CALL_SYNC | flags;
  opts.on_done = done;
  opts.done_user = opts.user;
  return ob_submit(NULL, engine, &opts);
}

/* Posts, calls and other submissions of the same thread in between. */
static void post_in_order(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK_EQ((uint64_t)(uintptr_t)arg, begun);
}

static void handle_in_order(ob_request *request, void *input, size_t size,
                            void *user) {
  CHECK_EQ(*(const uint64_t *)input, begun);
  CHECK(size == sizeof(uint64_t) && user == NULL);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

static void mix_in(ob_engine *engine, uint64_t *n, uint64_t *random) {
  ob_call_opts opts = test_call(handle_in_order, NULL);
  ob_ticket *ticket;
  opts.input = n;
  opts.input_size = sizeof *n;
  opts.flags = OB_CALL_SYNC;
  switch (test_random(random) % 64) {
    case 0:
      CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
      CHECK_EQ(__atomic_load_n(&ended, __ATOMIC_ACQUIRE), *n);
      break;
    case 1:
      CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
      ob_ticket_release(ticket);
      break;
    case 2:
    case 3:
      CHECK_EQ(ob_post(engine, post_in_order, (void *)(uintptr_t)*n), OB_OK);
      break;
    default:
      break;
  }
}

TEST(content_and_order) {
  ob_engine *engine = test_engine(NULL);
  uint64_t random = test_seed(), rounds = test_ops(1e6), n;
  for (n = 0; n < rounds; n++) {
    mix_in(engine, &n, &random);
    CHECK_EQ(submit(engine, n, 0), OB_OK);
  }
  test_stop(engine);
  CHECK_EQ(begun, rounds);
  CHECK_EQ(ended, rounds);
}

static void limit_of_ten(ob_engine_opts *opts) {
  opts->queue_limit = 10;
}

/* However many entries of the lane each of them takes. */
TEST(each_counts_once_against_the_limit) {
  ob_engine *engine = test_engine(limit_of_ten);
  test_blocker blocker;
  uint64_t n;
  test_block_loop(engine, &blocker);
  for (n = 0; n < 10; n++) CHECK_EQ(submit(engine, n, OB_CALL_NOWAIT), OB_OK);
  CHECK_EQ(submit(engine, n, OB_CALL_NOWAIT), OB_EAGAIN);
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(ended, 10);
}

static void limit_of_one(ob_engine_opts *opts) {
  opts->queue_limit = 1;
}
static int under_way, may_end;
static void handle_held(ob_request *request, void *input, size_t size,
                        void *user) {
  CHECK(input == NULL && size == 0 && user == NULL);
  add(&under_way);
  test_await(&may_end);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

TEST(one_that_runs_is_not_queued_any_more) {
  ob_engine *engine = test_engine(limit_of_one);
  ob_call_opts opts = test_call(handle_held, NULL);
  opts.flags = OB_CALL_SYNC | OB_CALL_NOWAIT;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  await_count(&under_way, 1, "begun");
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_EAGAIN);
  set(&may_end, 1);
  test_stop(engine);
  CHECK_EQ(get(&under_way), 2);
}

/* --- Borrowed --------------------------------------------------------------
 */

static char lasting[100000];

static void handle_borrowed(ob_request *request, void *input, size_t size,
                            void *user) {
  CHECK(input == lasting && size == sizeof lasting && user == &begun);
  begun++;
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_borrow(input, size)), OB_OK);
}
static void done_borrowed(int status, ob_result *result, void *user) {
  CHECK(status == OB_OK && user == NULL);
  CHECK(ob_result_data(result) == lasting);
  ended++;
}

TEST(a_borrowed_input_is_not_copied) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_borrowed, &begun);
  int i;
  opts.input = lasting;
  opts.input_size = sizeof lasting;
  opts.flags = OB_CALL_SYNC | OB_CALL_BORROW;
  opts.on_done = done_borrowed;
  for (i = 0; i < 1000; i++) CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  test_stop(engine);
  CHECK_EQ(begun, 1000);
  CHECK_EQ(ended, 1000);
}

/* --- The end ---------------------------------------------------------------
 */

static void handle_never(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)request, (void)input, (void)size, (void)user;
  CHECK(!"a queued submission of a cancelled engine has run");
}
static void done_shutdown(int status, ob_result *result, void *user) {
  CHECK_EQ(status, OB_ESHUTDOWN);
  CHECK(result->size == 0 && ob_result_data(result) == NULL && user == NULL);
  ended++;
}

TEST(a_cancelling_stop_ends_what_is_queued) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_never, NULL);
  test_blocker blocker;
  int i;
  opts.flags = OB_CALL_SYNC;
  opts.input = lasting;
  opts.input_size = 20;
  opts.on_done = done_shutdown;
  test_block_loop(engine, &blocker);
  for (i = 0; i < 500; i++) CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_ESHUTDOWN);
  test_unblock_loop(&blocker);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(ended, 500);
}

/* --- Misuse ----------------------------------------------------------------
 */

static void handle_silent(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)request, (void)input, (void)size, (void)user;
}

TEST_ABORTS(a_handler_that_does_not_answer, "without ob_complete") {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_silent, NULL);
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  test_stop(engine);
}
