/* Streams in waits: beside tickets, from loops, in cycles, in fork children;
 * and misuse of each function. */
#include "child.h"
#include "stream.h"
#include "stream_kit.h"

/* --- ob_wait_any and ob_wait_all --- */

TEST(an_item_or_the_end_makes_a_stream_ready) {
  ob_engine *engine = test_engine(NULL);
  ob_stream *stream;
  ob_emitter *emitter = open_pair(engine, 4, &stream, NULL);
  ob_ticket *call, *both[2];
  ob_request *request = keep(engine, NULL, &call);
  size_t index = 9;
  both[0] = call;
  both[1] = ob_stream_ticket(stream);
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(ob_wait_any(both, 2, 0, &index), OB_ETIMEDOUT);
    CHECK_EQ(ob_wait_any(both, 2, MS, &index), OB_ETIMEDOUT);
    CHECK_EQ(ob_ticket_poll(both[1], NULL), 0);
    CHECK_EQ(emit_int(emitter, round), OB_OK);
    CHECK_EQ(ob_wait_any(both, 2, 0, &index), OB_OK);
    CHECK_EQ(index, 1);
    CHECK_EQ(ob_wait_all(both, 2, MS), OB_ETIMEDOUT);
    CHECK_EQ(ob_ticket_poll(both[1], NULL), 1);
    CHECK_EQ(next_int(stream, 0), round);
  }
  CHECK_EQ(ob_emitter_end(emitter, 8), OB_OK);
  for (int i = 0; i < 2; i++) { /* ready for good */
    CHECK_EQ(ob_wait_any(both, 2, OB_FOREVER, &index), OB_OK);
    CHECK_EQ(index, 1);
    check_end(stream, 8);
  }
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_wait_all(both, 2, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_ticket_wait(both[1], OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(both[1]); /* harmless */
  check_end(stream, 8);
  ob_stream_release(stream);
  ob_ticket_release(call);
  test_stop(engine);
}

typedef struct waiter {
  ob_ticket *tickets[2];
  int rc, done;
} waiter;

static void *wait_for_all(void *arg) {
  waiter *w = arg;
  w->rc = ob_wait_all(w->tickets, 2, OB_FOREVER);
  add(&w->done);
  return NULL;
}

static void await_waiters(ob_stream *stream) {
  while (!(__atomic_load_n(&stream->face.base.state, __ATOMIC_ACQUIRE) &
           OB__WAITERS))
    sched_yield();
}

/* A ticket that has ended stays so; a stream may be emptied while it is waited
 * for, and the next item must wake the waiter all the same. */
TEST(a_stream_emptied_during_a_wait_still_wakes) {
  ob_engine *engine = test_engine(NULL);
  ob_stream *first, *second;
  ob_emitter *a = open_pair(engine, 4, &first, NULL);
  ob_emitter *b = open_pair(engine, 4, &second, NULL);
  waiter w = {{ob_stream_ticket(first), ob_stream_ticket(second)}, 1, 0};
  pthread_t thread;
  CHECK_EQ(emit_int(a, 1), OB_OK);
  thread = test_thread(wait_for_all, &w);
  await_waiters(second); /* it has seen the first one ready */
  CHECK_EQ(next_int(first, 0), 1);
  CHECK_EQ(emit_int(b, 2), OB_OK);
  test_sleep_ms(5);
  CHECK_EQ(get(&w.done), 0);
  CHECK_EQ(emit_int(a, 3), OB_OK);
  await_count(&w.done, 1, "the wait");
  test_join(thread);
  CHECK_EQ(w.rc, OB_OK);
  CHECK_EQ(ob_emitter_end(a, 0), OB_OK);
  CHECK_EQ(ob_emitter_end(b, 0), OB_OK);
  ob_stream_release(first);
  ob_stream_release(second);
  test_stop(engine);
}

/* --- On loops --- */

typedef struct visit {
  ob_engine *engine;
  ob_stream *stream;
  ob_emitter *emitter;
  int rc, done;
  char detail[512];
} visit;

static void handle_own(ob_request *request, void *input, size_t size,
                       void *user) {
  visit *v = user;
  ob_result out;
  size_t index;
  ob_ticket *ticket = ob_stream_ticket(v->stream);
  (void)input;
  (void)size;
  CHECK_FAILS(ob_stream_next(v->stream, OB_FOREVER, &out, NULL), OB_EDEADLK,
              "loop");
  CHECK_FAILS(ob_stream_next(v->stream, 0, &out, NULL), OB_EDEADLK, "loop");
  CHECK_EQ(ob_wait_any(&ticket, 1, OB_FOREVER, &index), OB_EDEADLK);
  CHECK_EQ(ob_stream_try_next(v->stream, &out, NULL), OB_EAGAIN);
  CHECK_EQ(emit_int(v->emitter, 1), OB_OK);
  CHECK_EQ(emit_int(v->emitter, 2), OB_EAGAIN);
  CHECK_FAILS(ob_emitter_wait(v->emitter, OB_FOREVER), OB_EDEADLK, "on_room");
  CHECK_EQ(next_int(v->stream, OB_FOREVER), 1); /* needs no waiting */
  CHECK_EQ(ob_emitter_wait(v->emitter, OB_FOREVER), OB_OK);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(waiting_on_the_own_loop_is_refused_before_anything_blocks) {
  ob_engine *engine = test_engine(NULL);
  visit v = {.engine = engine};
  ob_call_opts call = test_call(handle_own, &v);
  v.emitter = open_pair(engine, 1, &v.stream, NULL);
  CHECK_EQ(ob_call(engine, &call, NULL), OB_OK);
  CHECK_EQ(ob_emitter_end(v.emitter, 0), OB_OK);
  ob_stream_release(v.stream);
  test_stop(engine);
}

static void handle_next(ob_request *request, void *input, size_t size,
                        void *user) {
  visit *v = user;
  (void)input;
  (void)size;
  v->rc = next_int(v->stream, OB_FOREVER);
  ob_complete(request, OB_OK, ob_result_none());
}

static void handle_back(ob_request *request, void *input, size_t size,
                        void *user) {
  visit *v = user;
  ob_call_opts call = test_call(handle_count, NULL);
  (void)input;
  (void)size;
  v->rc = ob_call(v->engine, &call, NULL);
  strncpy(v->detail, ob_last_error_detail(), sizeof v->detail - 1);
  ob_complete(request, OB_OK, ob_result_none());
}

static void name_a(ob_engine_opts *opts) {
  opts->name = "a";
}
static void name_b(ob_engine_opts *opts) {
  opts->name = "b";
}

/* Loop a waits for a stream of b, then b may not wait for a. */
TEST(a_wait_for_a_stream_is_an_edge_of_the_wait_graph) {
  ob_engine *a = test_engine(name_a), *b = test_engine(name_b);
  visit there = {.engine = a}, back = {.engine = a};
  ob_call_opts call = test_call(handle_next, &there);
  ob_ticket *ticket;
  there.emitter = open_pair(b, 4, &there.stream, NULL);
  CHECK_EQ(ob_submit(&ticket, a, &call), OB_OK);
  await_waiters(there.stream);
  call = test_call(handle_back, &back);
  CHECK_EQ(ob_call(b, &call, NULL), OB_OK);
  CHECK_EQ(back.rc, OB_EDEADLK);
  CHECK(strstr(back.detail, "b -> a -> b") != NULL);
  CHECK_EQ(emit_int(there.emitter, 31), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  CHECK_EQ(there.rc, 31);
  CHECK_EQ(ob_emitter_end(there.emitter, 0), OB_OK);
  ob_ticket_release(ticket);
  ob_stream_release(there.stream);
  test_stop(a);
  test_stop(b);
}

/* --- Fork --- */

static void use_stream(void *arg) {
  visit *v = arg;
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_result out;
  ob_emitter *emitter;
  ob_stream *stream;
  CHECK_EQ(ob_stream_next(v->stream, OB_FOREVER, &out, NULL), OB_EFORKED);
  CHECK_EQ(ob_stream_try_next(v->stream, &out, NULL), OB_EFORKED);
  CHECK_EQ(emit_int(v->emitter, 1), OB_EFORKED);
  CHECK_EQ(ob_emitter_wait(v->emitter, OB_FOREVER), OB_EFORKED);
  CHECK_EQ(ob_emitter_cancelled(v->emitter), 1);
  CHECK_EQ(ob_emitter_end(v->emitter, 0), OB_EFORKED);
  CHECK_EQ(ob_stream_open(&stream, &emitter, v->engine, &opts), OB_EFORKED);
  ob_stream_release(v->stream);
}

TEST(a_child_is_told_and_touches_nothing) {
  ob_engine *engine = test_engine(NULL);
  visit v = {.engine = engine};
  v.emitter = open_pair(engine, 4, &v.stream, NULL);
  CHECK_EQ(emit_int(v.emitter, 1), OB_OK);
  ob__lock_take(&v.stream->lock); /* as another thread may hold it */
  in_child(use_stream, &v);
  ob__lock_give(&v.stream->lock);
  CHECK_EQ(next_int(v.stream, 0), 1);
  CHECK_EQ(ob_emitter_end(v.emitter, 6), OB_OK);
  check_end(v.stream, 6);
  ob_stream_release(v.stream);
  test_stop(engine);
}

/* --- Misuse --- */

static void unused(ob_emitter *emitter, void *input, size_t size, void *user) {
  (void)input;
  (void)size;
  (void)user;
  CHECK(emitter == NULL);
}

/* Each wrong option is refused, by name, and nothing is taken. */
TEST(opening_checks_everything) {
  static const char *const words[] = {"size",    "capacity", "capacity",
                                      "unknown", "nobody",   "two would",
                                      "OFFLOAD", "input"};
  ob_engine *engine = test_engine(NULL);
  int destroyed = 0, input = 1;
  for (int i = 0; i < 8; i++) {
    ob_stream_opts opts = OB_STREAM_OPTS_INIT;
    ob_stream *stream = (ob_stream *)&opts;
    ob_emitter *emitter = (ob_emitter *)&opts;
    opts.input = &input;
    opts.input_size = sizeof input;
    opts.user = &destroyed;
    opts.destroy = count_destroy;
    if (i == 0) opts.size--;
    if (i == 1) opts.capacity = 0;
    if (i == 2) opts.capacity = OB_STREAM_CAPACITY_MAX + 1;
    if (i == 3) opts.flags = OB_CALL_SYNC;
    if (i == 5) opts.start = unused;
    if (i == 6) opts.flags = OB_CALL_OFFLOAD;
    if (i == 7) opts.input = NULL;
    CHECK_FAILS(
        ob_stream_open(&stream, i == 4 ? NULL : &emitter, engine, &opts),
        OB_EINVAL, words[i]);
    CHECK(stream == NULL && (i == 4 || emitter == NULL));
  }
  CHECK_EQ(destroyed, 0);
  test_stop(engine);
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_stream *stream;
  ob_emitter *emitter;
  ob_result item = ob_result_none();
  CHECK_FAILS(ob_stream_open(NULL, &emitter, engine, &opts), OB_EINVAL, "out");
  CHECK_FAILS(ob_stream_open(&stream, &emitter, NULL, &opts), OB_EINVAL, "eng");
  CHECK_FAILS(ob_stream_open(&stream, &emitter, engine, NULL), OB_EINVAL,
              "opts");
  emitter = open_pair(engine, 1, &stream, NULL);
  CHECK_FAILS(ob_emitter_emit(NULL, &item), OB_EINVAL, "emitter");
  CHECK_FAILS(ob_emitter_emit(emitter, NULL), OB_EINVAL, "item");
  CHECK_FAILS(ob_emitter_wait(NULL, 0), OB_EINVAL, "emitter");
  CHECK_FAILS(ob_emitter_end(NULL, 0), OB_EINVAL, "emitter");
  CHECK_EQ(ob_emitter_cancelled(NULL), 0);
  CHECK_EQ(ob_emitter_cancelled(emitter), 0);
  CHECK_FAILS(ob_stream_next(NULL, 0, &item, NULL), OB_EINVAL, "stream");
  CHECK_FAILS(ob_stream_next(stream, 0, NULL, NULL), OB_EINVAL, "out");
  CHECK_FAILS(ob_stream_try_next(NULL, &item, NULL), OB_EINVAL, "stream");
  CHECK_FAILS(ob_stream_try_next(stream, NULL, NULL), OB_EINVAL, "out");
  CHECK(ob_stream_ticket(NULL) == NULL);
  CHECK_FAILS(ob_ticket_cancel(ob_stream_ticket(stream)), OB_EINVAL, "release");
  ob_stream_release(NULL);
  CHECK_EQ(ob_emitter_end(emitter, 0), OB_OK);
  CHECK_FAILS(ob_emitter_end(emitter, 0), OB_EALREADY, "before");
  CHECK_FAILS(ob_emitter_emit(emitter, &item), OB_EALREADY, "before");
  check_end(stream, 0);
  ob_stream_release(stream);
  test_stop(engine);
}

/* Refused, it has taken nothing; a full queue counts a stream as a call. */
TEST(an_engine_that_cannot_take_it_says_so) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 1, 0, 0, 0};
  ob_stream_opts opts = counter_opts(&c, 1);
  ob_stream *stream;
  opts.deadline_ns = 0;
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_stream_open(&stream, NULL, engine, &opts), OB_ESHUTDOWN);
  CHECK(stream == NULL);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(c.sent + c.destroyed, 0);
}
