/* fork: in the child every entry point says so at once, touches nothing of the
 * parent's, and an engine of its own works; with OB_FORK_RESTART the next call
 * finds a fresh loop. The parent, with calls under way, notices nothing. */
#include <poll.h>
#include <sys/resource.h>

#include "child.h"

static void use_own_engine(void) {
  ob_engine *engine = test_engine(NULL);
  int ran = 0;
  ob_call_opts opts = test_call(handle_count, &ran);
  for (int i = 0; i < 4; i++) {
    opts.flags = i == 1 ? OB_CALL_SYNC : i == 2 ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  test_stop(engine);
  CHECK_EQ(ran, 4);
}

/* --- What the child is told --- */

typedef struct family {
  ob_engine *engine;
  ob_ticket *ticket; /* of a call that has not ended */
  ob_request *request;
  ob_cq *cq;
} family;

static void post_never(void *arg, int status) {
  (void)arg;
  (void)status;
  CHECK(0);
}

static void node_never(ob_node *node, int status) {
  (void)node;
  (void)status;
  CHECK(0);
}

static void call_engine(void *arg) {
  family *f = arg;
  ob_node node = {NULL, node_never};
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_ticket *ticket = (ob_ticket *)&ticket;
  ob_stats stats = OB_STATS_INIT;
  CHECK_FAILS(ob_post(f->engine, post_never, NULL), OB_EFORKED, "fork");
  CHECK_EQ(ob_try_post(f->engine, post_never, NULL), OB_EFORKED);
  CHECK_EQ(ob_post_node(f->engine, &node), OB_EFORKED);
  CHECK_EQ(ob_submit(&ticket, f->engine, &opts), OB_EFORKED);
  CHECK(ticket == NULL);
  for (int i = 0; i < 4; i++) {
    opts.flags = i == 0 ? OB_CALL_SYNC : i == 1 ? OB_CALL_OFFLOAD : 0;
    opts.deadline_ns = i == 3 ? 60 * S : OB_FOREVER;
    CHECK_EQ(ob_call(f->engine, &opts, NULL), OB_EFORKED);
  }
  CHECK_EQ(ob_engine_stats(f->engine, &stats), OB_EFORKED);
  CHECK_EQ(ob_engine_stop(f->engine, OB_STOP_CANCEL, OB_FOREVER), OB_EFORKED);
  CHECK_EQ(ob_engine_destroy(f->engine), OB_EFORKED);
  ob_engine_dispose(f->engine); /* nothing to report it by */
}

TEST(a_child_is_told_at_every_entry) {
  family f = {.engine = test_engine(NULL)};
  flush(f.engine);
  in_child(call_engine, &f);
  flush(f.engine);
  test_stop(f.engine);
}

static void wait_for_ticket(void *arg) {
  family *f = arg;
  size_t index;
  CHECK_EQ(ob_ticket_poll(f->ticket, NULL), 0);
  CHECK_EQ(ob_ticket_wait(f->ticket, OB_FOREVER, NULL), OB_EFORKED);
  CHECK_EQ(ob_wait_any(&f->ticket, 1, OB_FOREVER, &index), OB_EFORKED);
  CHECK_EQ(ob_wait_all(&f->ticket, 1, OB_FOREVER), OB_EFORKED);
}

/* Nobody in the child would ever end that call. */
TEST(a_child_does_not_wait_for_the_parents_ticket) {
  family f = {.engine = test_engine(NULL)};
  f.request = keep(f.engine, NULL, &f.ticket);
  in_child(wait_for_ticket, &f);
  CHECK_EQ(ob_complete(f.request, OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(f.ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(f.ticket);
  test_stop(f.engine);
}

static void end_call(void *arg) {
  family *f = arg;
  CHECK_EQ(ob_ticket_cancel(f->ticket), OB_EFORKED);
  CHECK_EQ(ob_complete(f->request, OB_OK, ob_result_none()), OB_EFORKED);
  ob_ticket_release(f->ticket);
}

/* The wake-up descriptor is one for both processes. */
TEST(a_child_does_not_wake_the_parents_loop) {
  family f = {.engine = test_engine(NULL)};
  ob_stats before = OB_STATS_INIT, after = OB_STATS_INIT;
  f.request = keep(f.engine, NULL, &f.ticket);
  do { /* until it is asleep for good */
    before = after;
    test_sleep_ms(200); /* a busy machine may not have run it for a while */
    CHECK_EQ(ob_engine_stats(f.engine, &after), OB_OK);
  } while (after.sleeps == 0 || after.sleeps != before.sleeps);
  in_child(end_call, &f);
  test_sleep_ms(20);
  CHECK_EQ(ob_engine_stats(f.engine, &after), OB_OK);
  CHECK_EQ(after.sleeps, before.sleeps);
  CHECK_EQ(ob_request_cancelled(f.request), 0);
  CHECK_EQ(ob_complete(f.request, OB_OK, ob_result_none()), OB_OK);
  ob_ticket_release(f.ticket);
  test_stop(f.engine);
}

static void take_records(void *arg) {
  family *f = arg;
  ob_cq_record record;
  int rc;
  do rc = ob_cq_next(f->cq, &record);
  while (rc == OB_OK);
  CHECK(rc == OB_EFORKED || rc == OB_EAGAIN);
}

TEST(a_child_does_not_take_the_parents_records) {
  family f = {.engine = test_engine(NULL)};
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_cq_record record;
  struct pollfd poll_of = {.events = POLLIN};
  CHECK_EQ(ob_cq_create(&f.cq), OB_OK);
  opts.cq = f.cq;
  CHECK_EQ(ob_submit(NULL, f.engine, &opts), OB_OK);
  flush(f.engine);
  in_child(take_records, &f);
  poll_of.fd = ob_cq_fd(f.cq);
  CHECK_EQ(poll(&poll_of, 1, 0), 1);
  CHECK_EQ(ob_cq_next(f.cq, &record), OB_OK);
  test_stop(f.engine);
  CHECK_EQ(ob_cq_destroy(f.cq), OB_OK);
}

/* --- What the child may do --- */

static void own_engine(void *arg) {
  use_own_engine();
  call_engine(arg);
}

static void leave(void *arg) {
  (void)arg;
  use_own_engine();
  exit(0);
}

TEST(a_child_can_start_its_own_and_exit) {
  LEAVE_OUT_IF(TOOL_THREADS);
  family f = {.engine = test_engine(NULL)};
  in_child(own_engine, &f);
  in_child(leave, &f);
  test_stop(f.engine);
}

/* fork on the loop thread itself. */
static void handle_fork(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  in_child(own_engine, user);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(fork_in_a_handler) {
  LEAVE_OUT_IF(TOOL_THREADS);
  family f = {.engine = test_engine(NULL)};
  ob_call_opts opts = test_call(handle_fork, &f);
  CHECK_EQ(ob_call(f.engine, &opts, NULL), OB_OK);
  flush(f.engine);
  test_stop(f.engine);
}

static void use_shared(void *arg) {
  ob_engine *shared;
  (void)arg;
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
    flush(shared);
    test_stop(shared);
  }
}

TEST(the_shared_engine_is_afresh_in_the_child) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *shared, *again;
  CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
  in_child(use_shared, NULL);
  CHECK_EQ(ob_engine_shared(&again, NULL), OB_OK);
  CHECK(again == shared);
  flush(shared);
  test_stop(shared);
}

typedef struct starting {
  ob_start_token *token;
  int hooked, asking;
} starting;

static void on_start(ob_engine *engine, ob_start_token *token, void *user) {
  starting *s = user;
  CHECK(ob_engine_current() == engine);
  s->token = token;
  add(&s->hooked);
}

static void *start_shared(void *arg) {
  starting *s = arg;
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *shared;
  opts.on_start = on_start;
  opts.user = s;
  add(&s->asking);
  CHECK_EQ(ob_engine_shared(&shared, &opts), OB_OK);
  return shared;
}

/* The child must not wait for a start, nor with threads, of the parent. */
TEST(fork_while_the_shared_engine_starts) {
  LEAVE_OUT_IF(TOOL_THREADS);
  starting s = {.hooked = 0};
  ob_engine *shared;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) threads[i] = test_thread(start_shared, &s);
  await_count(&s.hooked, 1, "the start");
  await_count(&s.asking, 4, "threads that wait for it");
  for (int i = 0; i < 5; i++) {
    test_sleep_ms(2); /* nothing tells that a thread has blocked */
    in_child(use_shared, NULL);
  }
  ob_start_done(s.token, OB_OK, NULL);
  for (int i = 0; i < 4; i++) test_join(threads[i]);
  CHECK_EQ(get(&s.hooked), 1);
  CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
  test_stop(shared);
}

/* --- The parent at work --- */

typedef struct parent {
  ob_engine *engine, *other;
  int quit, running;
} parent;

/* On the loop: calls another loop, by way of the graph of waits. */
static void handle_across(ob_request *request, void *input, size_t size,
                          void *user) {
  parent *p = user;
  (void)input;
  (void)size;
  flush(p->other);
  ob_complete(request, OB_OK, ob_result_none());
}

static void *call_across(void *arg) {
  parent *p = arg;
  ob_call_opts opts = test_call(handle_across, p);
  add(&p->running);
  while (!get(&p->quit)) CHECK_EQ(ob_call(p->engine, &opts, NULL), OB_OK);
  return NULL;
}

static void *ask_shared(void *arg) {
  parent *p = arg;
  ob_engine *shared;
  add(&p->running);
  while (!get(&p->quit)) CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
  return NULL;
}

static void use_across(void *arg) {
  parent mine = {test_engine(NULL), test_engine(NULL), 0, 0};
  ob_call_opts opts = test_call(handle_across, &mine);
  family f = {.engine = ((parent *)arg)->engine};
  call_engine(&f);
  CHECK_EQ(ob_call(mine.engine, &opts, NULL), OB_OK);
  test_stop(mine.engine);
  test_stop(mine.other);
}

static void fork_while(void *(*work)(void *), void (*body)(void *)) {
  parent p = {test_engine(NULL), test_engine(NULL), 0, 0};
  int forks = (int)test_ops(200);
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) threads[i] = test_thread(work, &p);
  await_count(&p.running, 3, "threads");
  while (forks-- > 0) in_child(body, &p);
  set(&p.quit, 1);
  for (int i = 0; i < 3; i++) test_join(threads[i]);
  flush(p.engine);
  test_stop(p.engine);
  test_stop(p.other);
}

TEST(fork_200_times_with_calls_under_way) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  fork_while(call_across, use_across);
}

TEST(fork_200_times_while_threads_ask_for_the_shared_engine) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  ob_engine *shared;
  CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
  fork_while(ask_shared, use_shared);
  test_stop(shared);
}
