/* Tickets: several threads may wait and one gets the result, an expired wait
 * leaves the call alive, a released ticket abandons it, waits over many tickets
 * of several engines, and tickets that outlive their engine. */
#include "probe.h"

static int destroyed;

static void handle_counted(ob_request *request, void *input, size_t size,
                           void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK_EQ(ob_complete(request, *(int *)user, counted_result(&destroyed)),
           OB_OK);
}

static ob_ticket *submit(ob_engine *engine, ob_handler handler, void *user) {
  ob_call_opts opts = test_call(handler, user);
  ob_ticket *ticket;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  return ticket;
}

static void answer(ob_request *request, int status) {
  CHECK_EQ(ob_complete(request, status, ob_result_none()), OB_OK);
}

/* --- One ticket --- */

typedef struct waiter {
  ob_ticket *ticket;
  int waiting, got, take;
  ob_result result;
} waiter;

static void *run_waiter(void *arg) {
  waiter *w = arg;
  __atomic_store_n(&w->waiting, 1, __ATOMIC_RELEASE);
  w->got = ob_ticket_wait(w->ticket, OB_FOREVER, w->take ? &w->result : NULL);
  return NULL;
}

/* Half of the threads want the result; one of those gets it. */
TEST(several_threads_wait_and_one_gets_the_result) {
  enum { THREADS = 8 };
  ob_engine *engine = test_engine(NULL);
  int rounds = (int)test_ops(500);
  for (int round = 0; round < rounds; round++) {
    waiter waiters[THREADS];
    pthread_t threads[THREADS];
    ob_ticket *ticket;
    ob_request *request = keep(engine, NULL, &ticket);
    int winners = 0, refused = 0;
    destroyed = 0;
    for (int i = 0; i < THREADS; i++) {
      waiters[i] = (waiter){ticket, 0, 1, i % 2, OB_RESULT_INIT};
      threads[i] = test_thread(run_waiter, &waiters[i]);
    }
    for (int i = 0; i < round % THREADS; i++) test_await(&waiters[i].waiting);
    CHECK_EQ(ob_complete(request, 6, counted_result(&destroyed)), OB_OK);
    for (int i = 0; i < THREADS; i++) {
      test_join(threads[i]);
      winners += waiters[i].result.size > 0;
      refused += waiters[i].got == OB_EALREADY;
      if (waiters[i].result.size > 0 || !waiters[i].take)
        CHECK_EQ(waiters[i].got, 6);
      CHECK_EQ(get(&destroyed), 0);
    }
    CHECK_EQ(winners, 1);
    CHECK_EQ(refused, THREADS / 2 - 1);
    ob_ticket_release(ticket);
    for (int i = 0; i < THREADS; i++) ob_result_free(&waiters[i].result);
    CHECK_EQ(get(&destroyed), 1);
  }
  test_stop(engine);
}

TEST(an_expired_wait_leaves_the_call_alive) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket;
  ob_request *request = keep(engine, NULL, &ticket);
  ob_result result = counted_result(&destroyed);
  size_t index;
  for (uint64_t wait = 0; wait < 60 * MS; wait = wait * 2 + MS) {
    uint64_t begin = test_now();
    CHECK_EQ(ob_ticket_wait(ticket, wait, &result), OB_ETIMEDOUT);
    CHECK_EQ(result.size, 0);
    CHECK_EQ(ob_wait_any(&ticket, 1, wait, &index), OB_ETIMEDOUT);
    CHECK_EQ(ob_wait_all(&ticket, 1, wait), OB_ETIMEDOUT);
    CHECK(test_now() - begin >= 3 * wait);
    CHECK_EQ(ob_ticket_poll(ticket, NULL), 0);
    CHECK_EQ(ob_request_cancelled(request), 0);
  }
  CHECK_EQ(ob_complete(request, 11, counted_result(&destroyed)), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, 0, &result), 11);
  CHECK_EQ(result.size, sizeof(int));
  ob_result_free(&result);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}

TEST(a_released_ticket_abandons_its_call) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *ticket;
  ob_request *request = keep(engine, NULL, &ticket);
  ob_ticket_release(ticket);
  CHECK_EQ(ob_request_cancelled(request), 0); /* it goes on */
  CHECK_EQ(ob_complete(request, OB_OK, counted_result(&destroyed)), OB_OK);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}

/* The ticket keeps the result until it is released, or taken. */
TEST(a_result_is_destroyed_once) {
  ob_engine *engine = test_engine(NULL);
  int status = 2;
  for (int taken = 0; taken < 2; taken++) {
    ob_ticket *ticket = submit(engine, handle_counted, &status);
    ob_result result = OB_RESULT_INIT, none;
    destroyed = 0;
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 2);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 2);
    if (taken) {
      CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), 2);
      CHECK_FAILS(ob_ticket_wait(ticket, OB_FOREVER, &none), OB_EALREADY,
                  "taken");
      CHECK_EQ(none.size, 0);
      CHECK_EQ(get(&destroyed), 0);
      ob_result_free(&result);
      CHECK_EQ(get(&destroyed), 1);
    }
    ob_ticket_release(ticket);
    test_await(&destroyed); /* by whoever lets go last, the loop perhaps */
  }
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}

typedef struct done {
  int count, status;
  ob_result kept;
} done;

static void keep_done(int status, ob_result *result, void *user) {
  done *d = user;
  d->status = status;
  d->kept = *result;
  *result = ob_result_none();
  __atomic_add_fetch(&d->count, 1, __ATOMIC_ACQ_REL);
}

TEST(the_callback_gets_the_result_and_the_ticket_the_status) {
  ob_engine *engine = test_engine(NULL);
  int status = 4;
  done d = {0, 0, OB_RESULT_INIT};
  ob_call_opts opts = test_call(handle_counted, &status);
  ob_result result = counted_result(&destroyed);
  ob_ticket *ticket;
  opts.on_done = keep_done;
  opts.done_user = &d;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), 4);
  CHECK_EQ(result.size, 0);
  test_await(&d.count);
  CHECK_EQ(d.status, 4);
  CHECK_EQ(d.kept.size, sizeof(int));
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), 4);
  CHECK_EQ(result.size, 0);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 0); /* the callback kept it */
  ob_result_free(&d.kept);
  CHECK_EQ(get(&destroyed), 1);
  CHECK_EQ(d.count, 1);
}

TEST(a_ticket_outlives_its_engine) {
  ob_engine *engine = test_engine(NULL);
  int status = 9, ended = 0;
  ob_ticket *answered = submit(engine, handle_counted, &status), *shut;
  ob_request *request = keep(engine, NULL, &shut), *kept = request;
  ob_result result;
  size_t index = 0;
  CHECK_EQ(ob_ticket_wait(answered, OB_FOREVER, NULL), 9);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  answer(kept, OB_ESHUTDOWN);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(ob_ticket_poll(shut, &ended), 1);
  CHECK_EQ(ended, OB_ESHUTDOWN);
  CHECK_EQ(ob_ticket_cancel(shut), OB_EALREADY);
  CHECK_EQ(ob_wait_any((ob_ticket *[]){shut, answered}, 2, 0, &index), OB_OK);
  CHECK_EQ(ob_wait_all((ob_ticket *[]){shut, answered}, 2, 0), OB_OK);
  CHECK_EQ(ob_ticket_wait(answered, OB_FOREVER, &result), 9);
  CHECK_EQ(result.size, sizeof(int));
  ob_result_free(&result);
  CHECK_EQ(get(&destroyed), 1);
  ob_ticket_release(answered);
  ob_ticket_release(shut);
}

/* ob_call takes an input that it is handed in any case, ob_submit only when it
 * accepts the call. */
TEST(an_input_is_destroyed_once_whatever_the_call_returns) {
  static const int want[] = {OB_EINVAL, OB_ETIMEDOUT, OB_OK, OB_OK,
                             OB_OK,     OB_EINVAL,    OB_OK, OB_ESHUTDOWN};
  ob_engine *engine = test_engine(NULL);
  int ran = 0;
  for (int i = 0; i < 8; i++) {
    ob_call_opts opts = test_call(handle_count, &ran);
    opts.destroy = count_destroy;
    if (i == 1) opts.deadline_ns = 0;
    if (i == 3 || i == 4) opts.flags = i == 3 ? OB_CALL_SYNC : OB_CALL_OFFLOAD;
    if (i == 5) opts.handler = NULL;
    if (i == 6) opts.deadline_ns = 60 * S;
    if (i == 7)
      CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
    set(&ran, 0); /* counts both: the handler and the destructor */
    CHECK_EQ(ob_call(i == 0 ? NULL : engine, &opts, NULL), want[i]);
    await_count(&ran, want[i] == OB_OK ? 2 : 1, "the destructor");
    if (want[i] == OB_OK || i == 1) continue;
    CHECK_EQ(ob_submit(NULL, i == 0 ? NULL : engine, &opts), want[i]);
    CHECK_EQ(get(&ran), 1); /* still the caller's */
  }
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(get(&ran), 1);
}

/* --- Many tickets --- */

typedef struct answers {
  ob_request **requests;
  size_t first, count;
  const int *go;
} answers;

/* Answers all requests, from one in the middle on. */
static void *run_answers(void *arg) {
  answers *a = arg;
  test_await(a->go);
  for (size_t i = 0; i < a->count; i++)
    answer(a->requests[(a->first + i) % a->count], (int)i);
  return NULL;
}

static void wait_for_many(ob_engine **engines, size_t count, uint64_t *seed) {
  ob_ticket *tickets[200];
  ob_request *requests[200];
  size_t first = test_random(seed) % count, index = count;
  int go = 0, status;
  answers a = {requests, first, count, &go};
  pthread_t thread;
  for (size_t i = 0; i < count; i++)
    requests[i] = keep(engines[test_random(seed) % 2], NULL, &tickets[i]);
  CHECK_EQ(ob_wait_any(tickets, count, 0, &index), OB_ETIMEDOUT);
  CHECK_EQ(ob_wait_any(tickets, count, MS, &index), OB_ETIMEDOUT);
  CHECK_EQ(ob_wait_all(tickets, count, MS), OB_ETIMEDOUT);
  CHECK_EQ(index, count); /* untouched */
  thread = test_thread(run_answers, &a);
  __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
  CHECK_EQ(ob_wait_any(tickets, count, OB_FOREVER, &index), OB_OK);
  CHECK(index < count);
  CHECK_EQ(ob_ticket_poll(tickets[index], &status), 1);
  CHECK_EQ(ob_wait_all(tickets, count, OB_FOREVER), OB_OK);
  for (size_t i = 0; i < count; i++) {
    CHECK_EQ(ob_ticket_poll(tickets[(first + i) % count], &status), 1);
    CHECK_EQ(status, i);
  }
  CHECK_EQ(ob_wait_any(tickets, count, 0, &index), OB_OK);
  CHECK_EQ(index, 0); /* the lowest of several */
  test_join(thread);
  for (size_t i = 0; i < count; i++) ob_ticket_release(tickets[i]);
}

TEST(waits_for_1_to_200_tickets_of_two_engines) {
  static const size_t counts[] = {1, 2, 3, 63, 64, 65, 199, 200};
  ob_engine *engines[2] = {test_engine(NULL), test_engine(NULL)};
  uint64_t seed = test_seed();
  for (int round = 0; round < 5; round++)
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
      wait_for_many(engines, counts[i], &seed);
  test_stop(engines[0]);
  test_stop(engines[1]);
}

TEST(duplicates_and_the_lowest_index) {
  ob_engine *engine = test_engine(NULL);
  ob_ticket *a, *b, *list[70];
  ob_request *first = keep(engine, NULL, &a), *second = keep(engine, NULL, &b);
  size_t index = 99;
  for (int i = 0; i < 70; i++) list[i] = i % 2 ? a : b;
  CHECK_EQ(ob_wait_all(list, 70, MS), OB_ETIMEDOUT);
  CHECK_EQ(ob_wait_any(list, 70, MS, &index), OB_ETIMEDOUT);
  answer(first, OB_OK);
  CHECK_EQ(ob_wait_any(list, 70, OB_FOREVER, &index), OB_OK);
  CHECK_EQ(index, 1);
  CHECK_EQ(ob_wait_all(list, 70, MS), OB_ETIMEDOUT);
  answer(second, OB_OK);
  CHECK_EQ(ob_wait_all(list, 70, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_wait_any(list, 70, OB_FOREVER, &index), OB_OK);
  CHECK_EQ(index, 0);
  ob_ticket_release(a);
  ob_ticket_release(b);
  test_stop(engine);
}

/* --- Misuse --- */

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  int status = 1;
  ob_result result = counted_result(&destroyed);
  ob_ticket *ticket, *list[70] = {NULL};
  size_t index = 5;
  CHECK_FAILS(ob_ticket_wait(NULL, 0, &result), OB_EINVAL, "ticket");
  CHECK_EQ(result.size, 0);
  CHECK_FAILS(ob_ticket_poll(NULL, &status), OB_EINVAL, "ticket");
  CHECK_FAILS(ob_ticket_cancel(NULL), OB_EINVAL, "ticket");
  ob_ticket_release(NULL);
  ticket = submit(engine, handle_counted, &status);
  for (int i = 0; i < 69; i++) list[i] = ticket;
  CHECK_FAILS(ob_wait_any(list, 0, 0, &index), OB_EINVAL, "nothing");
  CHECK_FAILS(ob_wait_any(NULL, 1, 0, &index), OB_EINVAL, "tickets");
  CHECK_FAILS(ob_wait_any(list, 1, 0, NULL), OB_EINVAL, "index");
  CHECK_FAILS(ob_wait_any(list, 70, 0, &index), OB_EINVAL, "ticket 69");
  CHECK_FAILS(ob_wait_all(list, 70, 0), OB_EINVAL, "ticket 69");
  CHECK_FAILS(ob_wait_all(NULL, 1, 0), OB_EINVAL, "tickets");
  CHECK_EQ(ob_wait_all(NULL, 0, 0), OB_OK);
  CHECK_EQ(index, 5);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 1);
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 1);
}
