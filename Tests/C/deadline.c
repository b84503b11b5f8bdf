/* Deadlines: a stalled loop cannot hold a caller past its own, queued work that
 * is overdue never runs, a late answer is refused and its result destroyed
 * once, and submissions end on the loop's timer, never early. */
#include "probe.h"

/* How late a deadline may be noticed on a busy machine. Stalls last longer. */
#define LATE_NS (8 * S)
#define STALL_NS (12 * S)

/* --- Handlers and counters --- */

static int ran, destroyed, hooked, done_count, done_status;
static ob_engine *destroyed_on;

static void count_destroy_here(void *data, size_t size, void *user) {
  (void)user;
  destroyed_on = ob_engine_current();
  count_destroy(data, size, &destroyed);
}

/* Blocks the loop until *user is set, but never past STALL_NS, so that a caller
 * that is held up fails its check instead of hanging. */
static void handle_stall(ob_request *request, void *input, size_t size,
                         void *user) {
  uint64_t end = test_now() + STALL_NS;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  add(&ran);
  while (!get(user) && test_now() < end) test_sleep_ms(1);
  ob_complete(request, OB_OK, ob_result_none());
}

static void count_done(int status, ob_result *result, void *user) {
  CHECK(ob_engine_current() == user);
  CHECK_EQ(result->size, 0);
  done_status = status;
  add(&done_count);
}

static ob_ticket *stall(ob_engine *engine, int *gate) {
  ob_call_opts opts = test_call(handle_stall, gate);
  ob_ticket *ticket;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  test_await(&ran);
  __atomic_store_n(&ran, 0, __ATOMIC_RELEASE);
  return ticket;
}

static void release(ob_ticket *ticket, int *gate) {
  add(gate);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
}

static void check_in_time(uint64_t begin, uint64_t deadline) {
  uint64_t took = test_now() - begin;
  CHECK(took >= deadline);
  CHECK(took < deadline + LATE_NS);
}

/* --- Blocked callers --- */

TEST(a_stalled_loop_does_not_delay_a_caller) {
  static const uint32_t flags[] = {0, OB_CALL_SYNC, OB_CALL_OFFLOAD,
                                   OB_CALL_NOWAIT};
  static const uint64_t deadlines[] = {1, 100000, 5 * MS, 60 * MS};
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_count, &ran);
  ob_result result;
  int gate = 0;
  ob_ticket *ticket = stall(engine, &gate);
  for (size_t i = 0; i < 16; i++) {
    uint64_t begin = test_now();
    opts.flags = flags[i % 4];
    opts.deadline_ns = deadlines[i / 4];
    CHECK_EQ(ob_call(engine, &opts, &result), OB_ETIMEDOUT);
    check_in_time(begin, opts.deadline_ns);
    CHECK_EQ(result.size, 0);
  }
  release(ticket, &gate);
  flush(engine);
  CHECK_EQ(get(&ran), 0); /* none of them may run now */
  test_stop(engine);
}

TEST(a_waiter_ends_an_overdue_call_of_a_stalled_loop) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_count, &ran);
  ob_ticket *overdue[2];
  size_t index = 9;
  uint64_t begin = test_now();
  int gate = 0, status = 0;
  ob_ticket *ticket = stall(engine, &gate);
  opts.deadline_ns = 30 * MS;
  for (int i = 0; i < 2; i++)
    CHECK_EQ(ob_submit(&overdue[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_wait(overdue[1], OB_FOREVER, NULL), OB_ETIMEDOUT);
  check_in_time(begin, opts.deadline_ns);
  CHECK_EQ(ob_ticket_poll(overdue[1], &status), 1);
  CHECK_EQ(status, OB_ETIMEDOUT);
  CHECK_EQ(ob_wait_any(overdue, 1, OB_FOREVER, &index), OB_OK);
  CHECK_EQ(index, 0);
  CHECK_EQ(ob_wait_all(overdue, 2, OB_FOREVER), OB_OK);
  check_in_time(begin, opts.deadline_ns);
  release(ticket, &gate);
  flush(engine);
  CHECK_EQ(get(&ran), 0);
  for (int i = 0; i < 2; i++) ob_ticket_release(overdue[i]);
  test_stop(engine);
}

TEST(overdue_queued_work_never_runs) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_count, &ran);
  uint64_t due;
  int gate = 0;
  ob_ticket *ticket = stall(engine, &gate);
  opts.on_done = count_done;
  opts.done_user = engine;
  for (int i = 0; i < 100; i++) {
    opts.flags = i % 2 ? OB_CALL_OFFLOAD : 0;
    opts.deadline_ns = i % 3 ? 10 * MS : 0;
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  }
  due = test_now() + 10 * MS;
  while (test_now() <= due) test_sleep_ms(1);
  CHECK_EQ(get(&done_count), 0);
  release(ticket, &gate);
  flush(engine);
  CHECK_EQ(get(&done_count), 100);
  CHECK_EQ(done_status, OB_ETIMEDOUT);
  test_stop(engine);
  CHECK_EQ(get(&ran), 0);
}

/* The detail is of the last failed call, not of one before. */
TEST(the_detail_of_an_expired_call_is_its_own) {
  ob_engine *engine = test_engine(NULL);
  ob_request *kept = NULL;
  ob_call_opts opts = test_call(handle_keep, &kept);
  opts.deadline_ns = MS;
  CHECK_FAILS(ob_call(NULL, &opts, NULL), OB_EINVAL, "engine is NULL");
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
  CHECK(strstr(ob_last_error_detail(), "NULL") == NULL);
  flush(engine);
  if (kept != NULL) ob_complete(kept, OB_OK, ob_result_none());
  test_stop(engine);
}

/* --- Late answers --- */

static int late_rc = 1;

static void handle_late(ob_request *request, void *input, size_t size,
                        void *user) {
  uint64_t end = test_now() + STALL_NS;
  (void)input;
  (void)size;
  (void)user;
  /* The caller's own expiry is seen here, though the loop is busy with this. */
  while (!ob_request_cancelled(request) && test_now() < end) test_sleep_ms(1);
  CHECK(ob_request_cancelled(request));
  CHECK_EQ(ob_request_remaining(request), 0);
  __atomic_store_n(&late_rc,
                   ob_complete(request, OB_OK, counted_result(&destroyed)),
                   __ATOMIC_RELEASE);
}

static void answer_late(void *arg, int status) {
  (void)status;
  late_rc = ob_complete(arg, OB_OK, counted_result(&destroyed));
}

/* Answers inside the handler, on the loop and on a pool thread. */
TEST(a_late_answer_in_the_handler_is_destroyed) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_late, NULL);
  ob_result result;
  opts.deadline_ns = 20 * MS;
  for (uint32_t flag = 0; flag <= OB_CALL_OFFLOAD; flag += OB_CALL_OFFLOAD) {
    late_rc = 1;
    destroyed = 0;
    opts.flags = flag;
    CHECK_EQ(ob_call(engine, &opts, &result), OB_ETIMEDOUT);
    CHECK_EQ(result.size, 0);
    while (get(&late_rc) == 1) test_sleep_ms(1);
    CHECK_EQ(late_rc, OB_ECANCELED);
    CHECK_EQ(get(&destroyed), 1);
  }
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}

TEST(a_late_answer_from_elsewhere_is_destroyed) {
  ob_engine *engine = test_engine(NULL);
  for (int on_loop = 0; on_loop < 2; on_loop++) {
    ob_request *kept = NULL;
    ob_call_opts opts = test_call(handle_keep, &kept);
    opts.deadline_ns = 20 * MS;
    destroyed = 0;
    late_rc = 1;
    do { /* again, should the loop have been too slow to start it */
      CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
      flush(engine);
      opts.deadline_ns *= 2;
    } while (kept == NULL);
    CHECK_EQ(ob_request_cancelled(kept), 1);
    if (on_loop)
      CHECK_EQ(ob_post(engine, answer_late, kept), OB_OK);
    else
      answer_late(kept, OB_OK);
    flush(engine);
    CHECK_EQ(late_rc, OB_ECANCELED);
    CHECK_EQ(get(&destroyed), 1);
  }
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}

/* --- The loop's timer --- */

static void hook_answer(ob_request *request, void *arg) {
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK_EQ(ob_request_cancelled(request), 1);
  CHECK_EQ(ob_request_remaining(request), 0);
  CHECK_EQ(ob_complete(request, 7, counted_result(&destroyed)), OB_ECANCELED);
  CHECK_EQ(get(&destroyed), 1);
  add(arg);
}

static void handle_hook(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK(ob_request_remaining(request) <= 50 * MS);
  CHECK_EQ(ob_request_on_cancel(request, hook_answer, user), OB_OK);
}

TEST(a_submission_ends_on_the_timer) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_hook, &hooked);
  ob_ticket *ticket;
  uint64_t begin = test_now();
  int status = 0;
  opts.deadline_ns = 50 * MS;
  opts.on_done = count_done;
  opts.done_user = engine;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  test_await(&done_count); /* nobody waits for the ticket */
  check_in_time(begin, opts.deadline_ns);
  CHECK_EQ(done_status, OB_ETIMEDOUT);
  CHECK_EQ(ob_ticket_poll(ticket, &status), 1);
  CHECK_EQ(status, OB_ETIMEDOUT);
  test_stop(engine);
  CHECK_EQ(get(&hooked), 1);
  CHECK_EQ(get(&done_count), 1);
  CHECK_EQ(get(&destroyed), 1);
  ob_ticket_release(ticket);
}

/* Many timers at once; none early, and in the order in which they are due, to
 * the wheel's tick of 1 ms. */
typedef struct timed {
  uint64_t begin, end, deadline; /* submitted between begin and end */
  ob_request *kept;              /* NULL: overdue before it could start */
  struct timed *previous;        /* that fired before it */
} timed;

static timed *last_fired;

static void check_timed(int status, ob_result *result, void *user) {
  timed *t = user;
  CHECK(test_now() >= t->begin + t->deadline);
  CHECK_EQ(status, OB_ETIMEDOUT);
  CHECK_EQ(result->size, 0);
  if (t->kept != NULL)
    CHECK_EQ(ob_complete(t->kept, OB_OK, ob_result_none()), OB_ECANCELED);
  t->previous = last_fired;
  last_fired = t;
  add(&done_count);
}

/* 0 when the first was due before the last was armed: no order to check. */
static int fire_timers(ob_engine *engine, timed *all, int count, uint64_t first,
                       uint64_t *seed) {
  uint64_t begin = test_now(), earliest = OB_FOREVER;
  int armed_in_time;
  set(&done_count, 0);
  last_fired = NULL;
  for (int i = 0; i < count; i++) {
    ob_call_opts opts = test_call(handle_keep, &all[i].kept);
    opts.deadline_ns = first + test_random(seed) % (500 * MS);
    opts.on_done = check_timed;
    opts.done_user = &all[i];
    all[i] = (timed){.begin = test_now(), .deadline = opts.deadline_ns};
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
    all[i].end = test_now();
  }
  flush(engine);
  armed_in_time = test_now() < begin + first;
  while (get(&done_count) < count) test_sleep_ms(1);
  for (timed *t = last_fired; armed_in_time && t != NULL; t = t->previous) {
    CHECK(t->begin + t->deadline <= earliest);
    if (t->end + t->deadline + MS < earliest)
      earliest = t->end + t->deadline + MS;
  }
  return armed_in_time;
}

TEST(thousands_of_timers_fire_in_order_and_never_early) {
  ob_engine *engine = test_engine(NULL);
  int count = (int)test_ops(5000) + 200;
  timed *all = calloc((size_t)count, sizeof *all);
  uint64_t seed = test_seed(), first = 500 * MS;
  CHECK(all != NULL);
  while (!fire_timers(engine, all, count, first, &seed)) {
    first *= 2;
    CHECK(first < 30 * S);
  }
  test_stop(engine);
  CHECK_EQ(get(&done_count), count);
  free(all);
}

/* --- Remaining time and the input --- */

static void handle_remaining(ob_request *request, void *input, size_t size,
                             void *user) {
  uint64_t wanted = *(uint64_t *)user, left = ob_request_remaining(request);
  CHECK_EQ(size, sizeof(int));
  CHECK_EQ(*(int *)input, 4711); /* a copy: the caller has changed its own */
  if (wanted == OB_FOREVER) {
    CHECK(left == OB_FOREVER);
  } else {
    CHECK(left <= wanted && left > 0);
    test_sleep_ms(2);
    CHECK(ob_request_remaining(request) <= left - 2 * MS);
  }
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(remaining_time_and_a_copied_input) {
  ob_engine *engine = test_engine(NULL);
  uint64_t wanted = 3600000 * MS;
  ob_call_opts opts = test_call(handle_remaining, &wanted);
  for (int round = 0; round < 2; round++) {
    int gate = 0, input = 4711;
    ob_ticket *stalled = stall(engine, &gate), *ticket;
    opts.input = &input;
    opts.input_size = sizeof input;
    opts.deadline_ns = wanted;
    CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
    input = 0;
    release(stalled, &gate);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
    ob_ticket_release(ticket);
    wanted = OB_FOREVER;
  }
  CHECK_EQ(ob_request_remaining(NULL), 0);
  test_stop(engine);
}

TEST(a_handed_over_input_goes_after_the_answer) {
  ob_engine *engine = test_engine(NULL);
  ob_request *kept = NULL;
  ob_call_opts opts = test_call(handle_keep, &kept);
  int input = 1;
  opts.input = &input;
  opts.input_size = sizeof input;
  opts.destroy = count_destroy_here;
  opts.user = &kept;
  opts.deadline_ns = 20 * MS;
  while (kept == NULL) {
    destroyed = 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
    flush(engine);
    opts.deadline_ns *= 2;
  }
  CHECK_EQ(get(&destroyed), 0); /* its handler may still use it */
  CHECK_EQ(ob_complete(kept, OB_OK, ob_result_none()), OB_ECANCELED);
  flush(engine);
  CHECK_EQ(get(&destroyed), 1);
  CHECK(destroyed_on == engine);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}
