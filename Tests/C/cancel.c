/* Cancellation: queued work that is cancelled never runs; running work sees it
 * by its flag and by its hook, which runs once, on the loop, and never after
 * the answer. answer.c has the races. */
#include "probe.h"

static int ran, hooked, destroyed, done_count, done_status;

static ob_ticket *submit(ob_engine *engine, ob_handler handler, void *user) {
  ob_call_opts opts = test_call(handler, user);
  ob_ticket *ticket;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  return ticket;
}

static void hook_count(ob_request *request, void *arg) {
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK_EQ(ob_request_cancelled(request), 1);
  add(arg);
}

/* --- What cancel does --- */

static void count_done(int status, ob_result *result, void *user) {
  CHECK(ob_engine_current() == user);
  CHECK_EQ(result->size, 0);
  done_status = status;
  add(&done_count);
}

TEST(cancelled_queued_work_never_runs) {
  enum { COUNT = 100 };
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_count, &ran);
  ob_ticket *tickets[COUNT];
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  opts.on_done = count_done;
  opts.done_user = engine;
  for (int i = 0; i < COUNT; i++) {
    opts.flags = i % 3 == 0 ? OB_CALL_OFFLOAD : i % 3 == 1 ? OB_CALL_SYNC : 0;
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  }
  for (int i = 0; i < COUNT; i++) {
    CHECK_EQ(ob_ticket_cancel(tickets[i]), OB_OK);
    CHECK_EQ(ob_ticket_cancel(tickets[i]), OB_EALREADY);
    /* Ended at once, though the loop is busy. */
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, NULL), OB_ECANCELED);
    ob_ticket_release(tickets[i]);
  }
  CHECK_EQ(get(&done_count), 0);
  test_unblock_loop(&blocker);
  test_stop(engine);
  CHECK_EQ(get(&done_count), COUNT);
  CHECK_EQ(done_status, OB_ECANCELED);
  CHECK_EQ(get(&ran), 0);
}

static void hook_answer(ob_request *request, void *arg) {
  hook_count(request, arg);
  CHECK_EQ(ob_complete(request, 42, counted_result(&destroyed)), OB_OK);
}

static void handle_hook(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  CHECK_EQ(ob_request_cancelled(request), 0);
  CHECK_EQ(ob_request_on_cancel(request, hook_answer, &hooked), OB_OK);
  CHECK_EQ(ob_request_on_cancel(request, hook_answer, &hooked), OB_EALREADY);
  add(user);
}

TEST(a_running_handler_sees_it_and_answers_for_itself) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket = submit(engine, handle_hook, &ran);
  ob_result result;
  test_await(&ran);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), 42);
  CHECK_EQ(result.size, sizeof(int));
  CHECK_EQ(get(&destroyed), 0);
  ob_result_free(&result);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_EALREADY);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&hooked), 1);
  CHECK_EQ(get(&destroyed), 1);
}

TEST(the_hook_runs_once_however_often_it_is_asked) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket;
  ob_request *request = keep(engine, NULL, &ticket);
  CHECK_EQ(ob_request_on_cancel(request, hook_count, &hooked), OB_OK);
  CHECK_EQ(ob_request_cancelled(request), 0);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
    CHECK_EQ(ob_request_cancelled(request), 1);
    flush(engine);
    CHECK_EQ(get(&hooked), 1);
  }
  CHECK_EQ(ob_ticket_poll(ticket, NULL), 0); /* it is for the handler to end */
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&hooked), 1);
}

TEST(a_hook_set_after_the_cancel_does_not_run) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket;
  ob_request *request = keep(engine, NULL, &ticket);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
  CHECK_EQ(ob_request_on_cancel(request, hook_count, &hooked), OB_ECANCELED);
  CHECK_EQ(ob_complete(request, 3, ob_result_none()), OB_OK);
  CHECK_EQ(ob_request_on_cancel(request, hook_count, &hooked), OB_EALREADY);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 3);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&hooked), 0);
}

/* Answers, then stays in the handler until the cancel has been made. */
typedef struct answered {
  int is, cancelled;
} answered;

static void handle_answered(ob_request *request, void *input, size_t size,
                            void *user) {
  answered *a = user;
  (void)input;
  (void)size;
  CHECK_EQ(ob_request_on_cancel(request, hook_count, &hooked), OB_OK);
  CHECK_EQ(ob_complete(request, 5, ob_result_none()), OB_OK);
  add(&a->is);
  test_await(&a->cancelled);
}

TEST(no_hook_after_the_answer) {
  ob_engine *engine = test_engine(NULL);
  answered a = {0, 0};
  ob_ticket *ticket = submit(engine, handle_answered, &a);
  test_await(&a.is);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_OK); /* delivered when it returns */
  add(&a.cancelled);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 5);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_EALREADY);
  flush(engine);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&hooked), 0);
}

static void handle_twice_hooked(ob_request *request, void *input, size_t size,
                                void *user) {
  (void)input;
  (void)size;
  (void)user;
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_request_on_cancel(request, hook_count, &hooked), OB_EALREADY);
}

TEST(no_hook_can_be_set_after_the_answer) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_twice_hooked, NULL);
  opts.deadline_ns = OB_FOREVER - 1;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  test_stop(engine);
}

/* --- Misuse --- */

static void handle_sync(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  (void)user;
  CHECK_FAILS(ob_request_on_cancel(request, hook_count, NULL), OB_EINVAL,
              "OB_CALL_SYNC");
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_sync, NULL);
  ob_ticket *ticket;
  ob_request *request = keep(engine, NULL, &ticket);
  CHECK_FAILS(ob_complete(NULL, OB_OK, ob_result_none()), OB_EINVAL, "request");
  CHECK_FAILS(ob_request_on_cancel(NULL, hook_count, NULL), OB_EINVAL,
              "request");
  CHECK_FAILS(ob_request_on_cancel(request, NULL, NULL), OB_EINVAL, "hook");
  CHECK_EQ(ob_request_cancelled(NULL), 0);
  CHECK_EQ(ob_request_remaining(NULL), 0);
  CHECK(ob_request_remaining(request) == OB_FOREVER);
  CHECK(ob_request_engine(NULL) == NULL);
  CHECK(ob_request_engine(request) == engine);
  CHECK_FAILS(ob_ticket_cancel(NULL), OB_EINVAL, "ticket");
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  opts.deadline_ns = OB_FOREVER - 1;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  test_stop(engine);
}

static int polling, gone;

static void note_gone(void *data, size_t size, void *user) {
  (void)size;
  (void)user;
  CHECK(data != NULL);
  add(&gone);
}

static void handle_poll(ob_request *request, void *input, size_t size,
                        void *user) {
  uint64_t *seed = user, pauses = test_random(seed) % 4000;
  (void)input;
  (void)size;
  add(&polling);
  while (!ob_request_cancelled(request)) continue;
  /* Until the loop is about to look, more or less. */
  while (pauses-- > 0) __asm__ volatile("");
  ob_complete(request, 5, ob_result_none());
}

/* The answer comes while the loop still looks at the cancel: it must neither be
 * seen twice nor be missed. */
TEST(jobs_that_poll_for_their_cancellation) {
  int rounds = (int)test_ops(10000), ended = 0;
  uint64_t seed = test_seed();
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_poll, &seed);
  ob_ticket *ticket;
  opts.flags = OB_CALL_OFFLOAD;
  opts.input = &opts;
  opts.destroy = note_gone;
  for (int i = 0; i < rounds; i++) {
    CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
    while (get(&polling) == i) sched_yield();
    CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
    CHECK_EQ(ob_ticket_wait(ticket, 20 * S, NULL), 5);
    ended++;
    ob_ticket_release(ticket);
  }
  test_stop(engine);
  CHECK_EQ(gone, ended);
}
