/* Answers: whoever races for a request, handler, threads, cancel or expiry, it
 * has exactly one outcome, and each result is taken or destroyed exactly once.
 */
#include "probe.h"

static int ran, refused, destroyed;

static ob_ticket *submit(ob_engine *engine, ob_handler handler, void *user) {
  ob_call_opts opts = test_call(handler, user);
  ob_ticket *ticket;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  return ticket;
}

static void handle_twice(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  (void)user;
  CHECK_EQ(ob_complete(request, 1, counted_result(&destroyed)), OB_OK);
  CHECK_FAILS(ob_complete(request, 2, counted_result(&refused)), OB_EALREADY,
              "once");
  add(&ran);
}

TEST(the_second_answer_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket;
  ob_request *request = keep(engine, NULL, &ticket);
  CHECK_EQ(ob_complete(request, 1, counted_result(&destroyed)), OB_OK);
  CHECK_EQ(ob_complete(request, 2, counted_result(&refused)), OB_EALREADY);
  flush(engine);
  CHECK_EQ(ob_complete(request, 3, counted_result(&refused)), OB_EALREADY);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 1);
  ob_ticket_release(ticket);
  for (int i = 0; i < 4; i++) {
    ob_call_opts opts = test_call(handle_twice, NULL);
    opts.flags = i % 2 ? OB_CALL_SYNC : 0;
    opts.deadline_ns = i < 2 ? OB_FOREVER : OB_FOREVER - 1;
    CHECK_EQ(ob_call(engine, &opts, NULL), 1);
  }
  test_stop(engine);
  CHECK_EQ(get(&ran), 4);
  CHECK_EQ(get(&destroyed), 5);
  CHECK_EQ(get(&refused), 0); /* what was refused is still the caller's */
}

static void spin(uint64_t turns) {
  for (volatile uint64_t i = 0; i < turns; i++) {
  }
}

/* A thread that answers what it finds in its mailbox. */
typedef struct answerer {
  ob_request *mailbox;
  int started, answered, rc, quit; /* started: handlers; rc: of the last */
  int destroyed, kept;             /* results: destroyed, and refused */
  pthread_t thread;
} answerer;

static void *run_answerer(void *arg) {
  answerer *a = arg;
  ob_request *request;
  uint64_t seed = 1;
  while (!get(&a->quit)) {
    request = __atomic_exchange_n(&a->mailbox, NULL, __ATOMIC_ACQ_REL);
    if (request == NULL) {
      sched_yield();
      continue;
    }
    spin(test_random(&seed) % 4000);
    a->rc = ob_complete(request, 8, counted_result(&a->destroyed));
    add(&a->answered);
  }
  return NULL;
}

static void handle_mail(ob_request *request, void *input, size_t size,
                        void *user) {
  answerer *a = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  add(&a->started);
  __atomic_store_n(&a->mailbox, request, __ATOMIC_RELEASE);
}

static void await_answers(answerer *a, int count) {
  while (get(&a->answered) < count) sched_yield();
}

/* One round: the call's end races its answer. early is the status of an end
 * that came first; may_start says whether such a call may have been running. */
static void check_round(ob_engine *engine, answerer *a, ob_ticket *ticket,
                        int early, int round) {
  ob_result result;
  int status = ob_ticket_wait(ticket, OB_FOREVER, &result);
  int answers = get(&a->answered), destroyed_before;
  flush(engine); /* has its handler run, or will it never? */
  await_answers(a, get(&a->started));
  answers = get(&a->answered) - (round - a->kept);
  CHECK(answers == 0 || answers == 1);
  a->kept += !answers;
  destroyed_before = get(&a->destroyed);
  if (status == 8) {
    CHECK(answers == 1 && a->rc == OB_OK && result.size == sizeof(int));
    ob_result_free(&result);
    CHECK_EQ(get(&a->destroyed), destroyed_before + 1);
  } else {
    CHECK_EQ(status, early);
    CHECK_EQ(result.size, 0);
    CHECK(answers == 0 || a->rc == OB_ECANCELED);
  }
  CHECK_EQ(get(&a->destroyed), get(&a->answered));
  ob_ticket_release(ticket);
}

TEST(cancel_races_the_answer) {
  ob_engine *engine = test_engine(NULL);
  answerer a = {0};
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(100000), cancelled = 0;
  a.thread = test_thread(run_answerer, &a);
  for (int i = 0; i < rounds; i++) {
    int rc, started = get(&a.started);
    ob_ticket *ticket = submit(engine, handle_mail, &a);
    while (i % 2 && get(&a.started) == started) sched_yield();
    spin(test_random(&seed) % 3000);
    rc = ob_ticket_cancel(ticket);
    CHECK(rc == OB_OK || rc == OB_EALREADY);
    cancelled += rc == OB_OK;
    check_round(engine, &a, ticket, OB_ECANCELED, i);
  }
  add(&a.quit);
  test_join(a.thread);
  test_stop(engine);
  printf("  %d of %d cancelled in time, %d never ran\n", cancelled, rounds,
         a.kept);
}

TEST(expiry_races_the_answer) {
  ob_engine *engine = test_engine(NULL);
  answerer a = {0};
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(100000);
  a.thread = test_thread(run_answerer, &a);
  for (int i = 0; i < rounds; i++) {
    ob_call_opts opts = test_call(handle_mail, &a);
    ob_ticket *ticket;
    opts.deadline_ns = 1000 + test_random(&seed) % 30000;
    CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
    check_round(engine, &a, ticket, OB_ETIMEDOUT, i);
  }
  add(&a.quit);
  test_join(a.thread);
  test_stop(engine);
  printf("  %d of %d never ran\n", a.kept, rounds);
}

/* Calls that the loop's timer ends, and a thread that answers each as soon as
 * it sees that: while the loop is about to clean up after it. */
enum { BATCH = 64 };

typedef struct slot {
  ob_request *request;
  int done, input_destroyed, result_destroyed, answered;
} slot;

static void handle_slot(ob_request *request, void *input, size_t size,
                        void *user) {
  slot *s = user;
  (void)input;
  (void)size;
  __atomic_store_n(&s->request, request, __ATOMIC_RELEASE);
}

static void slot_done(int status, ob_result *result, void *user) {
  slot *s = user;
  CHECK_EQ(status, OB_ETIMEDOUT);
  CHECK_EQ(result->size, 0);
  add(&s->done);
}

static void slot_destroy(void *data, size_t size, void *user) {
  slot *s = user;
  (void)data;
  (void)size;
  add(&s->input_destroyed);
}

static void *answer_ended(void *arg) {
  slot *slots = arg;
  uint64_t seed = test_now();
  for (slot *s = slots; s < slots + BATCH; s++) {
    ob_request *request;
    while ((request = __atomic_load_n(&s->request, __ATOMIC_ACQUIRE)) == NULL &&
           !get(&s->done))
      sched_yield();
    if (request == NULL) continue; /* overdue before it could start */
    while (!ob_request_cancelled(request)) {
    }
    spin(test_random(&seed) % 300);
    s->answered = 1;
    CHECK_EQ(ob_complete(request, 8, counted_result(&s->result_destroyed)),
             OB_ECANCELED);
  }
  return NULL;
}

TEST(the_timer_races_the_answer) {
  int rounds = (int)test_ops(1500), answered = 0;
  ob_engine *engine = test_engine(NULL);
  slot *slots = malloc(BATCH * sizeof *slots);
  CHECK(slots != NULL);
  for (int round = 0; round < rounds; round++) {
    ob_call_opts opts = test_call(handle_slot, NULL);
    memset(slots, 0, BATCH * sizeof *slots);
    opts.deadline_ns = 2000000;
    opts.on_done = slot_done;
    opts.destroy = slot_destroy;
    for (int i = 0; i < BATCH; i++) {
      opts.user = opts.done_user = &slots[i];
      CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
    }
    test_join(test_thread(answer_ended, slots));
    flush(engine);
    for (int i = 0; i < BATCH; i++) {
      CHECK_EQ(get(&slots[i].done), 1);
      CHECK_EQ(get(&slots[i].input_destroyed), 1);
      CHECK_EQ(get(&slots[i].result_destroyed), slots[i].answered);
      answered += slots[i].answered;
    }
  }
  test_stop(engine);
  free(slots);
  printf("  %d of %d answered\n", answered, rounds * BATCH);
}

TEST(two_threads_answer_and_one_wins) {
  ob_engine *engine = test_engine(NULL);
  answerer a = {0};
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(100000), won = 0;
  a.thread = test_thread(run_answerer, &a);
  for (int i = 0; i < rounds; i++) {
    ob_ticket *ticket;
    ob_request *request = keep(engine, NULL, &ticket);
    ob_result mine = counted_result(&destroyed),
              theirs = counted_result(&a.destroyed), got;
    int rc;
    __atomic_store_n(&a.mailbox, request, __ATOMIC_RELEASE);
    spin(test_random(&seed) % 3000);
    rc = ob_complete(request, 9, mine);
    await_answers(&a, i + 1);
    CHECK_EQ(rc == OB_OK ? a.rc : rc, OB_EALREADY);
    CHECK_EQ(rc == OB_OK ? rc : a.rc, OB_OK);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &got), rc == OB_OK ? 9 : 8);
    ob_result_free(&got);
    ob_result_free(rc == OB_OK ? &theirs : &mine); /* refused: not taken */
    CHECK_EQ(get(&destroyed), i + 1);
    CHECK_EQ(get(&a.destroyed), i + 1);
    ob_ticket_release(ticket);
    won += rc == OB_OK;
  }
  add(&a.quit);
  test_join(a.thread);
  test_stop(engine);
  printf("  %d of %d won\n", won, rounds);
}

/* The handler and another thread answer the same request, in both orders. */
static void handle_both(ob_request *request, void *input, size_t size,
                        void *user) {
  answerer *a = user;
  int rc = 1;
  (void)input;
  (void)size;
  if (a->started) rc = ob_complete(request, 9, counted_result(&destroyed));
  __atomic_store_n(&a->mailbox, request, __ATOMIC_RELEASE);
  await_answers(a, a->started + 1);
  if (!a->started) rc = ob_complete(request, 9, counted_result(&destroyed));
  a->kept = rc;
}

TEST(the_handler_and_a_thread_answer_and_one_wins) {
  ob_engine *engine = test_engine(NULL);
  answerer a = {0};
  a.thread = test_thread(run_answerer, &a);
  for (a.started = 0; a.started < 2; a.started++) {
    ob_ticket *ticket = submit(engine, handle_both, &a);
    ob_result got;
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &got), a.started ? 9 : 8);
    flush(engine);
    CHECK_EQ(a.kept, a.started ? OB_OK : OB_EALREADY);
    CHECK_EQ(a.rc, a.started ? OB_EALREADY : OB_OK);
    CHECK_EQ(got.size, sizeof(int));
    CHECK_EQ(get(&destroyed) + get(&a.destroyed), a.started);
    ob_result_free(&got);
    CHECK_EQ(get(&destroyed) + get(&a.destroyed), a.started + 1);
    ob_ticket_release(ticket);
  }
  add(&a.quit);
  test_join(a.thread);
  test_stop(engine);
}

static void handle_elsewhere(ob_request *request, void *input, size_t size,
                             void *user) {
  answerer *a = user;
  (void)input;
  (void)size;
  __atomic_store_n(&a->mailbox, request, __ATOMIC_RELEASE);
  await_answers(a, a->started);
  CHECK_EQ(ob_complete(request, 4, ob_result_none()), OB_OK);
}

TEST(a_sync_request_is_answered_by_its_handler_only) {
  ob_engine *engine = test_engine(NULL);
  answerer a = {0};
  ob_call_opts opts = test_call(handle_elsewhere, &a);
  a.thread = test_thread(run_answerer, &a);
  opts.flags = OB_CALL_SYNC;
  for (a.started = 1; a.started < 3; a.started++) {
    CHECK_EQ(ob_call(engine, &opts, NULL), 4);
    CHECK_EQ(a.rc, OB_EPERM);
    opts.deadline_ns = OB_FOREVER - 1;
  }
  add(&a.quit);
  test_join(a.thread);
  test_stop(engine);
  CHECK_EQ(get(&a.destroyed), 0); /* refused: not taken */
}
