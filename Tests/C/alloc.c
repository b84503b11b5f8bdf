/* Memory that runs out: each allocation of each operation fails in turn.
 *
 * The operation must then say OB_ENOMEM, must have transferred nothing, leaked
 * nothing (counted here, and looked for by ASan), and the engine must still
 * serve, this thread at once. */
#include "heap.h"

static int never_done, destroyed;

static void on_done(int status, ob_result *result, void *user) {
  (void)status;
  (void)result;
  (void)user;
  never_done++;
}

static void on_destroy(void *data, size_t size, void *user) {
  CHECK(data != NULL && size == sizeof(int) && user == NULL);
  destroyed++;
}

/* Tickets that keep every cached request in use: the next one is new. */
#define MOST_HELD 2000
static ob_ticket *held[MOST_HELD];
static int held_count;

static void use_up_cache(ob_engine *engine) {
  int input = 1, before;
  ob_call_opts opts = increment(&input);
  opts.flags = OB_CALL_BORROW;
  do {
    CHECK(held_count < MOST_HELD);
    before = __atomic_load_n(&live, __ATOMIC_RELAXED);
    CHECK_EQ(ob_submit(&held[held_count], engine, &opts), OB_OK);
    CHECK_EQ(ob_ticket_wait(held[held_count++], OB_FOREVER, NULL), OB_OK);
    serves(engine);
  } while (__atomic_load_n(&live, __ATOMIC_RELAXED) == before);
}

static void release_held(void) {
  while (held_count > 0) ob_ticket_release(held[--held_count]);
}

/* --- Operations on a thread that has called before ------------------------ */

/* Fails the 1st, 2nd, ... allocation of op, wants exactly so many of them. */
static void each_fails(operation op, int allocations) {
  ob_engine *engine = test_engine(NULL);
  int nth, before, i;
  serves(engine);
  for (nth = 1; nth <= allocations + 1; nth++) {
    int want = nth <= allocations ? OB_ENOMEM : OB_OK;
    use_up_cache(engine);
    CHECK_EQ(fail_once(op, engine, nth), want);
    /* The same again: what came before may be in a cache, but adds up to
     * nothing. */
    before = __atomic_load_n(&live, __ATOMIC_RELAXED);
    for (i = 0; want != OB_OK && i < 50; i++)
      CHECK_EQ(fail_once(op, engine, 1), OB_ENOMEM);
    CHECK_EQ(__atomic_load_n(&live, __ATOMIC_RELAXED), before);
  }
  release_held();
  test_stop(engine);
}

static int call_with_deadline(ob_engine *engine) {
  int input = 41;
  ob_call_opts opts = increment(&input);
  ob_result result;
  int rc;
  opts.deadline_ns = UINT64_C(60000000000);
  rc = ob_call(engine, &opts, &result);
  CHECK_EQ(result.size, rc == OB_OK ? sizeof input : 0);
  if (rc == OB_OK) CHECK_EQ(*(const int *)ob_result_data(&result), 42);
  ob_result_free(&result);
  return rc;
}
TEST(a_call_with_a_deadline) {
  each_fails(call_with_deadline, 1); /* the request */
}

static int submit(ob_engine *engine) {
  int input = 41, rc;
  ob_call_opts opts = increment(&input);
  ob_ticket *ticket = held[0];
  opts.on_done = on_done;
  never_done = 0;
  rc = ob_submit(&ticket, engine, &opts);
  if (rc != OB_OK) {
    CHECK(ticket == NULL);
    serves(engine);
    CHECK_EQ(never_done, 0);
    return rc;
  }
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  return rc;
}
TEST(a_submission) {
  each_fails(submit, 1);
}

static void handle_length(ob_request *request, void *input, size_t size,
                          void *user) {
  CHECK(user == NULL && strlen(input) + 1 == size);
  CHECK_EQ(ob_complete(request, (int)size, ob_result_none()), OB_OK);
}

static int submit_long(ob_engine *engine) {
  char input[] = "an input of more bytes than a request has room for";
  ob_call_opts opts = test_call(handle_length, NULL);
  ob_ticket *ticket = held[0];
  int rc;
  opts.input = input;
  opts.input_size = sizeof input;
  rc = ob_submit(&ticket, engine, &opts);
  CHECK((ticket != NULL) == (rc == OB_OK));
  if (rc != OB_OK) return rc;
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), (int)sizeof input);
  ob_ticket_release(ticket);
  return rc;
}
TEST(a_submission_whose_input_is_copied) {
  each_fails(submit_long, 2); /* request, copy of the input */
}

/* Handed-over input is still the caller's; a queue is not left waiting. */
static int submit_to_queue(ob_engine *engine) {
  int input = 41, rc;
  ob_call_opts opts = increment(&input);
  ob_cq_record record;
  ob_cq *cq;
  int nth = put_off();
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  fail_the(nth);
  opts.destroy = on_destroy;
  opts.cq = cq;
  destroyed = 0;
  rc = ob_submit(NULL, engine, &opts);
  serves(engine);
  CHECK_EQ(destroyed, rc == OB_OK);
  if (rc == OB_OK) {
    CHECK_EQ(ob_cq_next(cq, &record), OB_OK);
    CHECK_EQ(*(const int *)ob_result_data(&record.result), 42);
    ob_result_free(&record.result);
  }
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  return rc;
}
TEST(a_submission_to_a_completion_queue) {
  each_fails(submit_to_queue, 1);
}

static void handle_long(ob_request *request, void *input, size_t size,
                        void *user) {
  ob_result result = ob_result_copy(user, OB_RESULT_INLINE + 1);
  (void)input;
  (void)size;
  CHECK_EQ(ob_complete(request, OB_OK, result), OB_OK);
}
static int long_result(ob_engine *engine) {
  static char bytes[OB_RESULT_INLINE + 1] = "thirty-three bytes, all in all...";
  ob_call_opts opts = test_call(handle_long, bytes);
  ob_result result;
  int rc;
  opts.flags = OB_CALL_SYNC;
  rc = ob_call(engine, &opts, &result);
  CHECK_EQ(result.size, rc == OB_OK ? sizeof bytes : 0);
  if (rc == OB_OK)
    CHECK(memcmp(ob_result_data(&result), bytes, sizeof bytes) == 0);
  ob_result_free(&result);
  return rc;
}
TEST(a_result_that_is_copied) {
  each_fails(long_result, 1);
}

static int wait_for_many(ob_engine *engine) {
  ob_ticket *tickets[65];
  int input = 1, nth = put_off(), rc, i;
  ob_call_opts opts = increment(&input);
  size_t index = 99;
  opts.flags = OB_CALL_BORROW;
  for (i = 0; i < 65; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  fail_the(nth);
  rc = ob_wait_any(tickets, 65, OB_FOREVER, &index);
  CHECK_EQ(index, rc == OB_OK ? 0 : 99);
  CHECK_EQ(ob_wait_all(tickets, 64, OB_FOREVER), OB_OK); /* on the stack */
  CHECK_EQ(ob_ticket_wait(tickets[64], OB_FOREVER, NULL), OB_OK);
  for (i = 0; i < 65; i++) ob_ticket_release(tickets[i]);
  return rc;
}
TEST(waiting_for_65_tickets) {
  ob_engine *engine = test_engine(NULL);
  CHECK_EQ(wait_for_many(engine), OB_OK);
  fail_the(1);
  CHECK_EQ(wait_for_many(engine), OB_ENOMEM);
  CHECK(has_failed());
  serves(engine);
  test_stop(engine);
}

static int create_queue(ob_engine *engine) {
  ob_cq *cq = (ob_cq *)(void *)engine;
  int rc = ob_cq_create(&cq);
  CHECK((cq != NULL) == (rc == OB_OK));
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  return rc;
}
TEST(a_completion_queue) {
  each_fails(create_queue, 1);
  no_eventfd = 1;
  CHECK_FAILS(create_queue(NULL), OB_ESYSTEM, "descriptor");
}

static void start_and_end(ob_emitter *emitter, void *input, size_t size,
                          void *user) {
  CHECK(size == sizeof(int) && user == NULL);
  CHECK_EQ(*(int *)input, 41);
  CHECK_EQ(ob_emitter_end(emitter, 3), OB_OK);
}

static int open_stream(ob_engine *engine) {
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_stream *stream = (ob_stream *)&opts;
  ob_result out;
  int input = 41, status = 0, rc;
  opts.start = start_and_end;
  opts.input = &input;
  opts.input_size = sizeof input;
  rc = ob_stream_open(&stream, NULL, engine, &opts);
  if (rc != OB_OK) {
    CHECK(stream == NULL);
    serves(engine);
    return rc;
  }
  CHECK_EQ(ob_stream_next(stream, OB_FOREVER, &out, &status), OB_EEND);
  CHECK_EQ(status, 3);
  ob_stream_release(stream);
  serves(engine);
  return rc;
}
TEST(a_stream) {
  each_fails(open_stream, 2); /* the stream, its request */
}

/* --- Posts ---------------------------------------------------------------- */

static uint64_t ran;

static void count_run(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK(ob_engine_current() == arg);
  ran++;
}

static void never_run(ob_node *node, int status) {
  CHECK(node == NULL && status == -1);
}

/* Posts until this thread's lane has a block that is just full. */
static uint64_t fill_block(ob_engine *engine) {
  int before = __atomic_load_n(&live, __ATOMIC_RELAXED);
  uint64_t posts = 0, left = 254;
  while (__atomic_load_n(&live, __ATOMIC_RELAXED) == before) {
    CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
    CHECK(posts++ < 1000);
  }
  for (; left > 0; left--) CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  return posts + 254;
}

/* Everything that would need the next block is refused, and is no trouble. */
TEST(a_lane_without_a_block) {
  ob_engine *engine = test_engine(NULL);
  ob_node node = {NULL, never_run};
  int input = 1, i;
  ob_call_opts opts = increment(&input);
  test_blocker blocker;
  uint64_t posts;
  opts.flags = OB_CALL_BORROW;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK); /* a request in the cache */
  test_block_loop(engine, &blocker);
  posts = fill_block(engine);
  for (i = 0; i < 3; i++) {
    fail_the(1);
    CHECK_EQ(ob_post(engine, count_run, engine), OB_ENOMEM);
    fail_the(1);
    CHECK_EQ(ob_post_node(engine, &node), OB_ENOMEM);
    fail_the(1);
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_ENOMEM);
  }
  CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(ran, posts + 1);
}

static struct {
  ob_engine *engine;
  test_blocker blocker;
  uint64_t submitted; /* what the statistics show before the call */
} late;

/* Lets the loop go once the call is queued behind the posts. */
static void *unblock_when_queued(void *arg) {
  ob_stats stats = OB_STATS_INIT;
  do CHECK_EQ(ob_engine_stats(late.engine, &stats), OB_OK);
  while (stats.submitted == late.submitted);
  __atomic_store_n(&late.blocker.gate, 1, __ATOMIC_RELEASE);
  return arg;
}

/* All but a synchronous call without deadline, which never needs memory. */
TEST(a_synchronous_call_without_a_block) {
  ob_stats stats = OB_STATS_INIT;
  pthread_t thread;
  uint64_t posts;
  late.engine = test_engine(NULL);
  test_block_loop(late.engine, &late.blocker);
  posts = fill_block(late.engine);
  CHECK_EQ(ob_engine_stats(late.engine, &stats), OB_OK);
  late.submitted = stats.submitted;
  thread = test_thread(unblock_when_queued, NULL);
  fail_the(1);
  serves(late.engine);
  CHECK(!has_failed()); /* it did not even ask */
  CHECK_EQ(ran, posts); /* FIFO */
  test_join(thread);
  ob_ticket_release(late.blocker.ticket);
  test_stop(late.engine);
}
