/* Streams: order and content, back-pressure, every way to end, callbacks,
 * cancellation, and misuse of each function. */
#include "stream_kit.h"

/* --- Producers on the loop --- */

TEST(a_handler_answers_with_many_values) {
  ob_engine *engine = test_engine(NULL);
  for (uint32_t capacity = 1; capacity <= 64; capacity *= 4) {
    counter c = {0, 1000, 0, 0, 0};
    ob_stream *stream = open_counter(engine, &c, capacity);
    for (int i = 0; i < 1000; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
    check_end(stream, 42);
    check_end(stream, 42);
    ob_stream_release(stream);
    await_count(&c.destroyed, 1, "the producer");
  }
  test_stop(engine);
}

/* The example of the README. */
static void squares(ob_emitter *emitter, void *input, size_t size, void *user) {
  int *next = input; /* a copy, the stream's own */
  (void)size;
  (void)user;
  for (; *next <= 100; ++*next) {
    int square = *next * *next, rc;
    ob_result item = ob_result_copy(&square, sizeof square);
    rc = ob_emitter_emit(emitter, &item);
    if (rc == OB_EAGAIN) return; /* on_room goes on */
    if (rc != OB_OK) break;      /* the consumer has left */
  }
  ob_emitter_end(emitter, OB_OK);
}

TEST(the_example_of_the_readme) {
  ob_engine *engine = test_engine(NULL);
  int first = 1, status, sum = 0;
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_stream *stream;
  ob_result item;
  opts.start = opts.on_room = squares;
  opts.input = &first;
  opts.input_size = sizeof first;
  if (ob_stream_open(&stream, NULL, engine, &opts) != OB_OK) abort();
  while (ob_stream_next(stream, OB_FOREVER, &item, &status) == OB_OK) {
    sum += *(const int *)ob_result_data(&item);
    ob_result_free(&item);
  }
  ob_stream_release(stream);
  CHECK_EQ(sum, 338350);
  CHECK_EQ(status, OB_OK);
  test_stop(engine);
}

TEST(a_full_stream_holds_its_producer_up_and_not_the_loop) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 100, 0, 0, 0};
  ob_stream *stream = open_counter(engine, &c, 8);
  await_count(&c.refused, 1, "a full stream");
  flush(engine); /* the loop answers others */
  CHECK_EQ(get(&c.sent), 8);
  for (int i = 0; i < 3; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  flush(engine);
  CHECK_EQ(get(&c.sent), 8); /* not before half of it is free */
  CHECK_EQ(next_int(stream, OB_FOREVER), 3);
  await_count(&c.sent, 12, "room at half");
  ob_stream_release(stream);
  await_count(&c.destroyed, 1, "its end");
  test_stop(engine);
  CHECK_EQ(get(&c.sent), 12);
}

/* on_cancel is not set: the producer that waits for room hears by on_room. */
TEST(a_consumer_that_leaves_cancels_a_producer_that_waits) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 100, 0, 0, 0};
  ob_stream *stream = open_counter(engine, &c, 4);
  await_count(&c.refused, 1, "a full stream");
  ob_stream_release(stream);
  await_count(&c.destroyed, 1, "its end");
  CHECK_EQ(get(&c.cancelled), 1);
  test_stop(engine);
  CHECK_EQ(get(&c.destroyed), 1);
}

TEST(items_larger_than_32_bytes_are_owned_and_destroyed_once) {
  ob_engine *engine = test_engine(NULL);
  ob_stream *stream;
  ob_emitter *emitter = open_pair(engine, 8, &stream, NULL);
  int destroyed = 0;
  ob_result item, out;
  for (int i = 0; i < 5; i++) {
    item = counted_result(&destroyed);
    CHECK_EQ(ob_emitter_emit(emitter, &item), OB_OK);
    CHECK_EQ(item.size, 0);
  }
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(ob_stream_next(stream, OB_FOREVER, &out, NULL), OB_OK);
    CHECK(ob_result_data(&out) == &destroyed);
    CHECK_EQ(get(&destroyed), i);
    ob_result_free(&out);
  }
  ob_stream_release(stream); /* three are left in it */
  CHECK_EQ(get(&destroyed), 5);
  item = counted_result(&destroyed);
  CHECK_EQ(ob_emitter_emit(emitter, &item), OB_ECANCELED);
  CHECK_EQ(get(&destroyed), 5); /* still ours */
  ob_result_free(&item);
  CHECK_EQ(ob_emitter_end(emitter, 0), OB_ECANCELED);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 6);
}

TEST(the_latest_item_replaces_the_oldest_of_a_full_stream) {
  ob_engine *engine = test_engine(NULL);
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_stream *stream;
  ob_emitter *emitter;
  int destroyed = 0;
  opts.capacity = 1;
  opts.flags = OB_STREAM_LATEST;
  CHECK_EQ(ob_stream_open(&stream, &emitter, engine, &opts), OB_OK);
  for (int i = 0; i < 4; i++) {
    ob_result item = counted_result(&destroyed);
    CHECK_EQ(ob_emitter_emit(emitter, &item), OB_OK);
    CHECK_EQ(get(&destroyed), i);
  }
  CHECK_EQ(emit_int(emitter, 77), OB_OK);
  CHECK_EQ(get(&destroyed), 4);
  CHECK_EQ(next_int(stream, 0), 77);
  CHECK_EQ(ob_emitter_end(emitter, 0), OB_OK);
  ob_stream_release(stream);
  test_stop(engine);
}

/* --- Producers elsewhere --- */

static void produce_blocking(ob_emitter *emitter, void *input, size_t size,
                             void *user) {
  int count = *(int *)input;
  (void)user;
  CHECK_EQ(size, sizeof count);
  CHECK(ob_engine_current() == NULL);
  for (int i = 0; i < count;) {
    int rc = emit_int(emitter, i);
    if (rc == OB_OK)
      i++;
    else
      CHECK_EQ(ob_emitter_wait(emitter, OB_FOREVER), OB_OK);
  }
  CHECK_EQ(ob_emitter_end(emitter, 5), OB_OK);
  CHECK_FAILS(ob_emitter_end(emitter, 5), OB_EALREADY, "before");
  CHECK_FAILS(ob_emitter_wait(emitter, 0), OB_EALREADY, "before");
  CHECK_EQ(emit_int(emitter, 0), OB_EALREADY);
}

TEST(a_producer_on_the_pool_may_block) {
  ob_engine *engine = test_engine(NULL);
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  int count = 5000;
  ob_stream *stream;
  opts.capacity = 4;
  opts.flags = OB_CALL_OFFLOAD;
  opts.start = produce_blocking;
  opts.input = &count;
  opts.input_size = sizeof count;
  CHECK_EQ(ob_stream_open(&stream, NULL, engine, &opts), OB_OK);
  count = 1; /* it has a copy */
  for (int i = 0; i < 5000; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, 5);
  ob_stream_release(stream);
  test_stop(engine);
}

TEST(an_expired_wait_leaves_the_stream_alive) {
  ob_engine *engine = test_engine(NULL);
  ob_stream *stream;
  ob_emitter *emitter = open_pair(engine, 1, &stream, NULL);
  ob_result out;
  for (uint64_t wait = 0; wait < 10 * MS; wait = wait * 2 + MS) {
    uint64_t begin = test_now();
    CHECK_FAILS(ob_stream_next(stream, wait, &out, NULL), OB_ETIMEDOUT, "time");
    CHECK_EQ(out.size, 0);
    CHECK(test_now() - begin >= wait);
  }
  CHECK_EQ(emit_int(emitter, 1), OB_OK);
  CHECK_EQ(emit_int(emitter, 2), OB_EAGAIN);
  for (uint64_t wait = 0; wait < 10 * MS; wait = wait * 2 + MS) {
    uint64_t begin = test_now();
    CHECK_FAILS(ob_emitter_wait(emitter, wait), OB_ETIMEDOUT, "full");
    CHECK(test_now() - begin >= wait);
  }
  CHECK_EQ(next_int(stream, 0), 1);
  CHECK_EQ(ob_emitter_wait(emitter, 0), OB_OK);
  CHECK_EQ(ob_emitter_end(emitter, -7), OB_OK);
  check_end(stream, -7);
  ob_stream_release(stream);
  test_stop(engine);
}

/* --- A consumer on the loop --- */

typedef struct sink {
  ob_stream *stream;
  int sum, calls, ended, status, release_at, gone;
} sink;

static void sink_gone(void *user) {
  sink *s = user;
  CHECK_EQ(get(&s->ended), 1);
  add(&s->gone);
}

static void drain_ready(ob_stream *stream, void *user) {
  sink *s = user;
  ob_result out;
  int rc;
  CHECK(ob_engine_current() != NULL);
  add(&s->calls);
  while ((rc = ob_stream_try_next(stream, &out, &s->status)) == OB_OK) {
    int value;
    memcpy(&value, ob_result_data(&out), sizeof value);
    ob_result_free(&out);
    s->sum += value;
    if (s->release_at != 0 && value == s->release_at) {
      add(&s->ended);
      ob_stream_release(stream);
      return;
    }
  }
  CHECK(rc == OB_EAGAIN || rc == OB_EEND);
  if (rc != OB_EEND) return;
  add(&s->ended);
  ob_stream_release(stream);
}

static void open_sink(ob_engine *engine, counter *c, sink *s) {
  ob_stream_opts opts = counter_opts(c, 4);
  opts.on_ready = drain_ready;
  opts.ready_user = s;
  opts.ready_destroy = sink_gone;
  CHECK_EQ(ob_stream_open(&s->stream, NULL, engine, &opts), OB_OK);
}

/* The first callback may come before the opener has returned, and releases. */
TEST(a_callback_consumes_to_the_end) {
  ob_engine *engine = test_engine(NULL);
  for (int round = 0; round < (int)test_ops(2000); round++) {
    counter c = {0, round % 20, 0, 0, 0};
    sink s = {NULL, 0, 0, 0, 0, 0, 0};
    open_sink(engine, &c, &s);
    await_count(&s.ended, 1, "the end");
    await_count(&c.destroyed, 1, "the producer");
    await_count(&s.gone, 1, "the callback's user");
    CHECK_EQ(s.status, 42);
    CHECK_EQ(s.sum, c.count * (c.count - 1) / 2);
  }
  test_stop(engine);
}

TEST(a_callback_may_leave_before_the_end) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 1000000, 0, 0, 0};
  sink s = {NULL, 0, 0, 0, 0, 50, 0};
  open_sink(engine, &c, &s);
  await_count(&s.ended, 1, "leaving");
  await_count(&c.destroyed, 1, "the producer");
  CHECK_EQ(s.sum, 50 * 51 / 2);
  CHECK(get(&c.sent) < 60);
  test_stop(engine);
  CHECK_EQ(s.ended, 1);
  CHECK_EQ(s.gone, 1);
}

/* --- Stop and deadline --- */

static void note_cancel(ob_emitter *emitter, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() != NULL);
  CHECK_EQ(ob_emitter_cancelled(emitter), 1);
  add(user);
}

/* What is in it can still be read; the emitter outlives the engine. */
TEST(a_stop_ends_an_open_stream) {
  ob_engine *engine = test_engine(NULL);
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_stream *stream;
  ob_emitter *emitter;
  int told = 0;
  opts.on_cancel = note_cancel;
  opts.user = &told;
  CHECK_EQ(ob_stream_open(&stream, &emitter, engine, &opts), OB_OK);
  for (int i = 0; i < 3; i++) CHECK_EQ(emit_int(emitter, i), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(told, 1);
  CHECK_EQ(emit_int(emitter, 3), OB_ECANCELED);
  CHECK_EQ(ob_emitter_wait(emitter, OB_FOREVER), OB_OK);
  for (int i = 0; i < 3; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, OB_ESHUTDOWN);
  CHECK_EQ(ob_emitter_end(emitter, 1), OB_ECANCELED);
  CHECK_FAILS(ob_emitter_end(emitter, 1), OB_EALREADY, "before");
  check_end(stream, OB_ESHUTDOWN);
  ob_stream_release(stream);
  CHECK_EQ(told, 1);
}

TEST(a_stop_waits_for_a_producer_that_runs) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 100, 0, 0, 0};
  ob_stream *stream = open_counter(engine, &c, 4);
  await_count(&c.refused, 1, "a full stream");
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
  CHECK_EQ(c.cancelled, 1);
  CHECK_EQ(c.destroyed, 1);
  for (int i = 0; i < 4; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, OB_ESHUTDOWN);
  ob_stream_release(stream);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

TEST(a_draining_stop_lets_a_stream_come_to_its_end) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 100, 0, 0, 0};
  ob_stream *stream = open_counter(engine, &c, 4);
  do /* until the loop has come to it */
    CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 0), OB_ETIMEDOUT);
  while (strstr(ob_last_error_detail(), "the counter") == NULL);
  for (int i = 0; i < 100; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, 42);
  ob_stream_release(stream);
  test_stop(engine);
}

TEST(a_stream_that_was_not_begun_ends_with_the_engine) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 100, 0, 0, 0};
  test_blocker blocker;
  ob_stream *stream;
  test_block_loop(engine, &blocker);
  stream = open_counter(engine, &c, 4);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  test_unblock_loop(&blocker);
  check_end(stream, OB_ESHUTDOWN);
  ob_stream_release(stream);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(c.sent, 0);
  CHECK_EQ(c.destroyed, 1);
}

TEST(a_pair_whose_ends_are_done_before_the_loop_comes_to_it) {
  for (int left = 0; left < 2; left++) {
    ob_engine *engine = test_engine(NULL);
    test_blocker blocker;
    ob_stream *stream;
    ob_emitter *emitter;
    test_block_loop(engine, &blocker);
    emitter = open_pair(engine, 4, &stream, NULL);
    CHECK_EQ(emit_int(emitter, 9), OB_OK);
    if (left) ob_stream_release(stream);
    CHECK_EQ(ob_emitter_end(emitter, 3), left ? OB_ECANCELED : OB_OK);
    test_unblock_loop(&blocker);
    test_stop(engine);
    if (left) continue;
    CHECK_EQ(next_int(stream, OB_FOREVER), 9);
    check_end(stream, 3);
    ob_stream_release(stream);
  }
}

TEST(the_deadline_ends_the_stream_and_cancels_its_producer) {
  ob_engine *engine = test_engine(NULL);
  counter c = {0, 100, 0, 0, 0};
  ob_stream_opts opts = counter_opts(&c, 4);
  ob_stream *stream;
  opts.deadline_ns = 20 * MS;
  CHECK_EQ(ob_stream_open(&stream, NULL, engine, &opts), OB_OK);
  await_count(&c.destroyed, 1, "the producer");
  CHECK_EQ(c.cancelled, 1);
  for (int i = 0; i < 4; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, OB_ETIMEDOUT);
  ob_stream_release(stream);
  test_stop(engine);
}
