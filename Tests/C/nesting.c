/* Nesting: what a loop thread may wait for. Synchronous handlers run inline;
 * every other wait for the own engine is refused before anything runs. cycle.c
 * has waits for other engines. */
#include "probe.h"

typedef struct nested {
  ob_engine *engine;
  int depth, order[8], count, kept_rc;
  ob_ticket *ticket;
} nested;

static void handle_last(ob_request *request, void *input, size_t size,
                        void *user) {
  nested *n = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == n->engine);
  n->order[n->count++] = 100;
  ob_complete(request, 100, ob_result_none());
}

static void handle_nested(ob_request *request, void *input, size_t size,
                          void *user) {
  nested *n = user;
  int level = n->depth++;
  ob_call_opts opts = test_call(level < 3 ? handle_nested : handle_last, n);
  ob_result result;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == n->engine);
  opts.flags = OB_CALL_SYNC;
  opts.deadline_ns = level % 2 ? OB_FOREVER : 60 * S;
  CHECK_EQ(ob_call(n->engine, &opts, &result), level < 3 ? level + 1 : 100);
  n->order[n->count++] = level;
  ob_complete(request, level, ob_result_none());
}

TEST(synchronous_handlers_nest_inline) {
  nested n = {.engine = test_engine(NULL)};
  ob_call_opts opts = test_call(handle_nested, &n);
  CHECK_EQ(ob_call(n.engine, &opts, NULL), 0);
  CHECK_EQ(n.count, 5);
  for (int i = 0; i < 5; i++) CHECK_EQ(n.order[i], i == 0 ? 100 : 4 - i);
  test_stop(n.engine);
}

static void count_order(void *arg, int status) {
  nested *n = arg;
  CHECK_EQ(status, OB_OK);
  n->order[n->count++] = 1;
}

/* Posts, then calls: the inline call overtakes. */
static void handle_overtaken(ob_request *request, void *input, size_t size,
                             void *user) {
  nested *n = user;
  ob_call_opts opts = test_call(handle_last, n);
  (void)input;
  (void)size;
  CHECK_EQ(ob_post(n->engine, count_order, n), OB_OK);
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(n->engine, &opts, NULL), 100);
  CHECK_EQ(n->count, 1);
  opts.flags = 0;
  CHECK_EQ(ob_submit(&n->ticket, n->engine, &opts), OB_OK);
  CHECK_EQ(n->count, 1);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(inline_calls_overtake_and_submissions_queue) {
  nested n = {.engine = test_engine(NULL)};
  ob_call_opts opts = test_call(handle_overtaken, &n);
  CHECK_EQ(ob_call(n.engine, &opts, NULL), OB_OK);
  CHECK_EQ(ob_ticket_wait(n.ticket, OB_FOREVER, NULL), 100);
  ob_ticket_release(n.ticket);
  CHECK_EQ(n.count, 3);
  CHECK_EQ(n.order[0] * 10000 + n.order[1] * 1000 + n.order[2], 1001100);
  test_stop(n.engine);
}

/* Everything that would wait for this very loop. */
static void handle_refused(ob_request *request, void *input, size_t size,
                           void *user) {
  nested *n = user;
  ob_call_opts opts = test_call(handle_last, n);
  ob_ticket *tickets[2];
  ob_result result;
  size_t index;
  int status;
  (void)input;
  (void)size;
  opts.name = "inner";
  for (int i = 0; i < 4; i++) {
    opts.flags = i % 2 ? OB_CALL_OFFLOAD : 0;
    opts.deadline_ns = i / 2 ? 60 * S : OB_FOREVER;
    CHECK_FAILS(ob_call(n->engine, &opts, &result), OB_EDEADLK, "\"inner\"");
    CHECK(strstr(ob_last_error_detail(), "OB_CALL_SYNC") != NULL);
    CHECK_EQ(result.size, 0);
  }
  CHECK_EQ(n->count, 0);
  opts.flags = 0;
  CHECK_EQ(ob_submit(&tickets[0], n->engine, &opts), OB_OK);
  tickets[1] = n->ticket; /* has ended */
  CHECK_EQ(ob_ticket_wait(tickets[1], OB_FOREVER, NULL), 100);
  CHECK_FAILS(ob_ticket_wait(tickets[0], OB_FOREVER, NULL), OB_EDEADLK, "own");
  CHECK_FAILS(ob_ticket_wait(tickets[0], 1, NULL), OB_EDEADLK, "own");
  CHECK_FAILS(ob_wait_all(tickets, 2, OB_FOREVER), OB_EDEADLK, "own");
  CHECK_FAILS(ob_wait_any(tickets, 1, OB_FOREVER, &index), OB_EDEADLK, "own");
  CHECK_EQ(ob_wait_any(tickets, 2, OB_FOREVER, &index), OB_OK);
  CHECK_EQ(index, 1);
  CHECK_EQ(ob_ticket_poll(tickets[0], &status), 0);
  CHECK_EQ(n->count, 0);
  n->kept_rc = ob_ticket_cancel(tickets[0]);
  ob_ticket_release(tickets[0]);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(waiting_for_the_own_loop_is_refused_before_anything_runs) {
  nested n = {.engine = test_engine(NULL)};
  ob_call_opts last = test_call(handle_last, &n);
  ob_call_opts opts = test_call(handle_refused, &n);
  CHECK_EQ(ob_submit(&n.ticket, n.engine, &last), OB_OK);
  CHECK_EQ(ob_ticket_wait(n.ticket, OB_FOREVER, NULL), 100);
  n.count = 0;
  CHECK_EQ(ob_call(n.engine, &opts, NULL), OB_OK);
  CHECK_EQ(n.kept_rc, OB_OK);
  ob_ticket_release(n.ticket);
  test_stop(n.engine);
  CHECK_EQ(n.count, 0);
}
