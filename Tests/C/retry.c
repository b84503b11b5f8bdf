/* Handlers that run again after a pause (ob_request_again): how often, when,
 * and all that ends a pause at once. */
#include "probe.h"

#define FAR (60 * S)

typedef struct tries {
  uint64_t wanted; /* the run that answers */
  uint64_t pause_ns;
  uint64_t began;  /* the last run, ns */
  int runs, asked; /* atomic: runs, and pauses that have begun */
  int hooked;      /* atomic: calls of the hook */
  int status;      /* of the last ob_request_again */
} tries;

static void try_again(ob_request *request, void *input, size_t size,
                      void *user) {
  tries *t = user;
  uint64_t now = test_now();
  int seen = *(const int *)input;
  CHECK_EQ(size, sizeof seen);
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK_EQ(ob_request_attempt(request), get(&t->runs) + 1);
  if (get(&t->runs) > 0) CHECK(now - t->began >= t->pause_ns);
  t->began = now;
  add(&t->runs);
  if ((uint64_t)get(&t->runs) < t->wanted) {
    t->status = ob_request_again(request, t->pause_ns);
    if (t->status == OB_OK) {
      CHECK_FAILS(ob_request_again(request, 1), OB_EALREADY, "before");
      add(&t->asked);
      return;
    }
    CHECK_EQ(t->status, OB_ECANCELED);
  }
  seen++;
  ob_complete(request, OB_OK, ob_result_copy(&seen, sizeof seen));
}

static ob_call_opts call_of(tries *t, int *input) {
  ob_call_opts opts = test_call(try_again, t);
  opts.input = input;
  opts.input_size = sizeof *input;
  return opts;
}

TEST(runs_until_it_answers) {
  ob_engine *engine = test_engine(NULL);
  int i;
  for (i = 1; i <= 20; i++) {
    tries t = {.wanted = (uint64_t)i, .pause_ns = i % 3 == 0 ? 0 : MS};
    ob_call_opts opts = call_of(&t, &i);
    ob_result result;
    opts.deadline_ns = i % 2 == 0 ? OB_FOREVER : FAR;
    CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
    CHECK_EQ(*(const int *)ob_result_data(&result), i + 1);
    CHECK_EQ(get(&t.runs), i);
  }
  test_stop(engine);
}

/* Many at once: each with its own count and input. */
TEST(many_pause_together) {
  enum { MANY = 500 };
  static tries all[MANY];
  ob_engine *engine = test_engine(NULL);
  uint64_t seed = test_seed();
  ob_ticket *tickets[MANY];
  int i;
  memset(all, 0, sizeof all);
  for (i = 0; i < MANY; i++) {
    ob_call_opts opts = call_of(&all[i], &i);
    all[i].wanted = 1 + test_random(&seed) % 6;
    all[i].pause_ns = test_random(&seed) % (3 * MS);
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  }
  for (i = 0; i < MANY; i++) {
    ob_result result;
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, &result), OB_OK);
    CHECK_EQ(*(const int *)ob_result_data(&result), i + 1);
    CHECK_EQ(get(&all[i].runs), all[i].wanted);
    ob_ticket_release(tickets[i]);
  }
  test_stop(engine);
}

/* --- What ends a pause --- */

static void hook(ob_request *request, void *arg) {
  (void)request;
  add(arg);
}

static void hook_then_again(ob_request *request, void *input, size_t size,
                            void *user) {
  tries *t = user;
  int rc = ob_request_on_cancel(request, hook, &t->hooked);
  CHECK_EQ(rc, get(&t->runs) == 0 ? OB_OK : OB_EALREADY);
  try_again(request, input, size, user);
}

static ob_ticket *paused(ob_engine *engine, tries *t, ob_handler handler,
                         uint64_t deadline) {
  ob_ticket *ticket;
  int input = 1;
  ob_call_opts opts = call_of(t, &input);
  opts.handler = handler;
  opts.deadline_ns = deadline;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  test_await(&t->asked);
  return ticket;
}

TEST(a_cancel_ends_it_at_once) {
  ob_engine *engine = test_engine(NULL);
  tries t = {.wanted = 3, .pause_ns = FAR};
  ob_ticket *ticket = paused(engine, &t, hook_then_again, OB_FOREVER);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, FAR / 2, NULL), OB_ECANCELED);
  CHECK_EQ(get(&t.runs), 1);
  CHECK_EQ(get(&t.hooked), 0); /* the handler was not at work */
  ob_ticket_release(ticket);
  test_stop(engine);
}

TEST(a_deadline_ends_it_at_once) {
  ob_engine *engine = test_engine(NULL);
  tries t = {.wanted = 3, .pause_ns = FAR}, blocked = t;
  ob_ticket *ticket = paused(engine, &t, try_again, 30 * MS);
  int input = 1;
  ob_call_opts opts = call_of(&blocked, &input);
  CHECK_EQ(ob_ticket_wait(ticket, FAR / 2, NULL), OB_ETIMEDOUT);
  ob_ticket_release(ticket);
  opts.deadline_ns = 30 * MS;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
  CHECK_EQ(get(&t.runs) + get(&blocked.runs), 2);
  test_stop(engine); /* with nothing running any more */
}

TEST(a_cancelling_stop_ends_it_and_a_draining_one_waits) {
  tries t = {.wanted = 3, .pause_ns = FAR};
  tries short_one = {.wanted = 3, .pause_ns = 10 * MS};
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket = paused(engine, &t, try_again, OB_FOREVER);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, FAR / 2), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, 0, NULL), OB_ESHUTDOWN);
  ob_ticket_release(ticket);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  engine = test_engine(NULL);
  ticket = paused(engine, &short_one, try_again, OB_FOREVER);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, FAR / 2), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, 0, NULL), OB_OK);
  CHECK_EQ(get(&short_one.runs), 3);
  ob_ticket_release(ticket);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* Answered from elsewhere during the pause: it does not run again, whatever
 * becomes of the request's memory. OB_BREAK_PAUSE leaves the timer armed. */
static ob_request *known; /* atomic */

static void tell_and_pause(ob_request *request, void *input, size_t size,
                           void *user) {
  CHECK_EQ(ob_request_attempt(request), 1);
  __atomic_store_n(&known, request, __ATOMIC_RELEASE);
  try_again(request, input, size, user);
}

TEST(an_answer_from_elsewhere_ends_it) {
  ob_engine *engine = test_engine(NULL);
  int rounds = (int)test_ops(200);
  while (rounds-- > 0) {
    tries t = {.wanted = 2, .pause_ns = 300 * MS};
    ob_ticket *ticket = paused(engine, &t, tell_and_pause, OB_FOREVER);
    ob_request *request = __atomic_load_n(&known, __ATOMIC_ACQUIRE);
    CHECK_EQ(ob_complete(request, 7, ob_result_none()), OB_OK);
    CHECK_EQ(ob_ticket_wait(ticket, FAR / 2, NULL), 7);
    ob_ticket_release(ticket);
    if (rounds % 100 == 0) test_sleep_ms(400); /* past the pause */
    CHECK_EQ(get(&t.runs), 1);
  }
  test_stop(engine);
}

/* Pauses that end while somebody cancels: the answer is one of the two. */
TEST(a_cancel_races_the_end_of_the_pause) {
  ob_engine *engine = test_engine(NULL);
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(2000), answered = 0;
  while (rounds-- > 0) {
    tries t = {.wanted = 2, .pause_ns = 0};
    ob_ticket *ticket = paused(engine, &t, try_again, OB_FOREVER);
    uint64_t end = test_now() + test_random(&seed) % (2 * MS);
    int status;
    while (test_now() < end) sched_yield();
    ob_ticket_cancel(ticket);
    status = ob_ticket_wait(ticket, FAR / 2, NULL);
    CHECK(status == OB_ECANCELED || status == OB_OK);
    CHECK_EQ(get(&t.runs), status == OB_OK ? 2 : 1);
    answered += status == OB_OK;
    ob_ticket_release(ticket);
  }
  printf("  %d answered\n", answered);
  test_stop(engine);
}

/* --- Misuse --- */

static void answer_then_again(ob_request *request, void *input, size_t size,
                              void *user) {
  (void)input, (void)size, (void)user;
  CHECK_EQ(ob_complete(request, 5, ob_result_none()), OB_OK);
  CHECK_FAILS(ob_request_again(request, 1), OB_EALREADY, "answered");
}

static void again_then_answer(ob_request *request, void *input, size_t size,
                              void *user) {
  (void)input, (void)size;
  add(user);
  CHECK_EQ(ob_request_again(request, 1), OB_OK);
  CHECK_EQ(ob_complete(request, 6, ob_result_none()), OB_OK);
}

static void again_in_vain(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input, (void)size;
  CHECK_FAILS(ob_request_again(request, 1), OB_EINVAL, (const char *)user);
  CHECK_EQ(ob_request_attempt(request), 1);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(answer_then_again, NULL);
  tries t = {.wanted = 2, .pause_ns = FAR};
  ob_ticket *ticket;
  int runs = 0;
  CHECK_FAILS(ob_request_again(NULL, 1), OB_EINVAL, "NULL");
  CHECK_EQ(ob_request_attempt(NULL), 0);
  CHECK_EQ(ob_call(engine, &opts, NULL), 5);
  opts = test_call(again_then_answer, &runs); /* the answer counts */
  CHECK_EQ(ob_call(engine, &opts, NULL), 6);
  test_sleep_ms(5);
  CHECK_EQ(get(&runs), 1);
  opts = test_call(again_in_vain, "SYNC");
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  opts = test_call(again_in_vain, "OFFLOAD");
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  ticket = paused(engine, &t, tell_and_pause, OB_FOREVER);
  CHECK_FAILS(ob_request_again(known, 1), OB_EPERM, "own handler");
  ob_ticket_cancel(ticket);
  CHECK_EQ(ob_ticket_wait(ticket, FAR / 2, NULL), OB_ECANCELED);
  ob_ticket_release(ticket);
  test_stop(engine);
}

/* --- The example of the article on task management --- */

static int fails_left = 3;

static int try_it(const void *input) {
  CHECK_EQ(*(const int *)input, 7);
  return fails_left-- <= 0;
}

static ob_result answer(void) {
  return ob_result_copy("done", 5);
}

static void fetch(ob_request *request, void *input, size_t size, void *user) {
  uint32_t attempt = ob_request_attempt(request); /* 1, 2, ... */
  (void)size, (void)user;
  if (!try_it(input) && attempt < 5 &&
      ob_request_again(request, attempt * UINT64_C(1000000)) == OB_OK)
    return;
  ob_complete(request, OB_OK, answer());
}

TEST(the_example) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(fetch, NULL);
  ob_result result;
  int input = 7;
  opts.input = &input;
  opts.input_size = sizeof input;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  CHECK(strcmp(ob_result_data(&result), "done") == 0);
  CHECK_EQ(fails_left, -1);
  test_stop(engine);
}
