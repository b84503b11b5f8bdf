/* The host closes the engine's descriptors with calls, jobs, streams and
 * deadlines under way: whoever waits is let go with OB_EBROKEN, no memory of a
 * caller's is read after that, and deadlines hold. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "broken.h"
#include "outboard_spi.h"
#include "stream_kit.h"

/* --- Calls --- */

typedef struct caller {
  ob_engine *engine;
  ob_call_opts opts;
  pthread_t thread;
  int status;
} caller;

static int entered;
static ob_request *kept[64];
static void handle_enter(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  (void)user;
  kept[get(&entered)] = request;
  add(&entered);
}

static void hook_answers(ob_request *request, void *arg) {
  (void)arg;
  ob_complete(request, OB_ECANCELED, ob_result_none());
}
static void handle_hooked(ob_request *request, void *input, size_t size,
                          void *user) {
  CHECK_EQ(ob_request_on_cancel(request, hook_answers, NULL), OB_OK);
  handle_enter(request, input, size, user);
}

static void *call(void *arg) {
  caller *self = arg;
  self->status = ob_call(self->engine, &self->opts, NULL);
  return NULL;
}

static void call_from_thread(caller *self, ob_engine *engine,
                             ob_handler handler) {
  int before = get(&entered);
  self->engine = engine;
  self->opts = test_call(handler, NULL);
  self->thread = test_thread(call, self);
  await_count(&entered, before + 1, "handlers entered");
}

/* Calls whose handlers wait for what will not come. */
static void play_blocked(kind of) {
  static const char text[] = "an input that its caller takes back";
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  caller bare = {0}, borrowed = {0};
  ob_call_opts opts = test_call(handle_enter, NULL);
  ob_ticket *ticket;
  call_from_thread(&bare, engine, handle_enter);
  call_from_thread(&borrowed, engine, handle_hooked);
  opts.input = (void *)(uintptr_t)text;
  opts.input_size = sizeof text;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  await_count(&entered, 3, "handlers entered");
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  test_join(bare.thread);
  CHECK_EQ(bare.status, OB_EBROKEN);
  test_join(borrowed.thread);
  CHECK(borrowed.status == OB_EBROKEN || borrowed.status == OB_ECANCELED);
  CHECK_EQ(ob_ticket_wait(ticket, 20 * S, NULL), OB_EBROKEN);
  ob_ticket_release(ticket);
  /* What comes later comes too late, and harms nobody. */
  CHECK_EQ(ob_complete(kept[0], OB_OK, ob_result_none()), OB_ECANCELED);
  CHECK_EQ(ob_complete(kept[2], OB_OK, ob_result_none()), OB_ECANCELED);
  check_ends(engine, threads, of);
}
TEST(with_calls_blocked) {
  ASLEEP;
  with_each(play_blocked);
}

/* The handler may read its caller's memory until it answers: then the caller
 * waits for that. */
static int input_seen;
static void handle_reader(ob_request *request, void *input, size_t size,
                          void *user) {
  handle_enter(request, input, size, user);
}
static void *call_borrowing(void *arg) {
  caller *self = arg;
  int mine = 41;
  self->opts.input = &mine;
  self->opts.input_size = sizeof mine;
  self->status = ob_call(self->engine, &self->opts, NULL);
  set(&input_seen, 1);
  return NULL;
}
static void play_reader(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  caller self = {.engine = engine, .opts = test_call(handle_reader, NULL)};
  self.thread = test_thread(call_borrowing, &self);
  await_count(&entered, 1, "handlers entered");
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  while (!ob_request_cancelled(kept[0])) test_sleep_ms(1);
  test_sleep_ms(20);
  CHECK_EQ(get(&input_seen), 0);
  CHECK_EQ(ob_complete(kept[0], 42, ob_result_none()), OB_OK);
  test_join(self.thread);
  CHECK_EQ(self.status, 42);
  check_ends(engine, threads, of);
}
TEST(an_input_on_the_callers_stack_is_not_pulled_away) {
  ASLEEP;
  with_each(play_reader);
}

/* Queued behind a handler that holds the loop. */
static void play_queued(kind of) {
  int threads = count_threads(), posts = 0, i, rc;
  ob_engine *engine = uv_engine(NULL);
  ob_ticket *tickets[20];
  ob_call_opts opts = test_call(handle_enter, NULL);
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  for (i = 0; i < 20; i++) {
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
    CHECK_EQ(ob_post(engine, ran, &posts), OB_OK);
  }
  take_over(of);
  test_unblock_loop(&blocker);
  do {
    rc = ob_post(engine, ran, NULL);
    test_sleep_ms(1);
  } while (rc == OB_OK);
  CHECK_EQ(rc, OB_EBROKEN);
  for (i = 0; i < 20; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], 20 * S, NULL), OB_EBROKEN);
    ob_ticket_release(tickets[i]);
  }
  for (i = 0; i < get(&entered); i++)
    ob_complete(kept[i], OB_OK, ob_result_none());
  CHECK_EQ(get(&posts), 20); /* each is told, with whatever status */
  check_ends(engine, threads, of);
}
TEST(with_calls_queued) {
  AWAKE;
  with_some(play_queued);
}

static void handle_job(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)input;
  (void)size;
  add(&entered);
  test_await(user);
  ob_complete(request, 5, ob_result_none());
}

/* The pool needs no descriptor: its jobs answer. */
static void play_offload(kind of) {
  int threads = count_threads(), gate = 0;
  ob_engine *engine = uv_engine(NULL);
  ob_call_opts opts = test_call(handle_job, &gate);
  ob_ticket *ticket;
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  await_count(&entered, 1, "jobs begun");
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  set(&gate, 1);
  CHECK_EQ(ob_ticket_wait(ticket, 20 * S, NULL), 5);
  ob_ticket_release(ticket);
  check_ends(engine, threads, of);
}
TEST(with_jobs_in_the_pool) {
  ASLEEP;
  with_each(play_offload);
}

/* Their producers wait, the one for its I/O, the other on a thread. */
static void give_up(ob_emitter *emitter, void *input, size_t size, void *user) {
  (void)input;
  (void)size;
  (void)user;
  ob_emitter_end(emitter, OB_ECANCELED);
}
static void never(ob_emitter *emitter, void *input, size_t size, void *user) {
  (void)emitter;
  (void)input;
  (void)size;
  add(user);
}
static void *consume(void *stream) {
  check_end(stream, OB_EBROKEN);
  return NULL;
}
static void play_streams(kind of) {
  int threads = count_threads(), started = 0, destroyed = 0;
  ob_engine *engine = uv_engine(NULL);
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_stream *made, *pair;
  ob_emitter *emitter;
  pthread_t consumer;
  opts.start = never;
  opts.on_cancel = give_up;
  opts.user = &started;
  CHECK_EQ(ob_stream_open(&made, NULL, engine, &opts), OB_OK);
  emitter = open_pair(engine, 8, &pair, &destroyed);
  await_count(&started, 1, "producers started");
  CHECK_EQ(emit_int(emitter, 5), OB_OK);
  consumer = test_thread(consume, made);
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  test_join(consumer);
  CHECK_EQ(next_int(pair, 20 * S), 5); /* what was there is not lost */
  check_end(pair, OB_EBROKEN);
  CHECK_EQ(emit_int(emitter, 6), OB_ECANCELED);
  CHECK_EQ(ob_emitter_end(emitter, OB_OK), OB_ECANCELED);
  ob_stream_release(made);
  ob_stream_release(pair);
  CHECK_EQ(ob_stream_open(&made, NULL, engine, &opts), OB_EBROKEN);
  check_ends(engine, threads, of);
  CHECK_EQ(destroyed, 1);
}
TEST(with_streams) {
  ASLEEP;
  with_each(play_streams);
}

/* Descriptors that the Swift layer waits for. */
static ob_io *io;
static int lost, closed;
static void io_ready(void *user, int fd, uint32_t tag, uint32_t events) {
  (void)user;
  (void)fd;
  (void)tag;
  (void)events;
}
static void io_closed(void *user, int status) {
  (void)user;
  if (status == OB_EBROKEN) {
    add(&lost);
    return;
  }
  CHECK_EQ(status, OB_ESHUTDOWN);
  ob_spi_io_free(io);
  add(&closed);
}
static void handle_wait(ob_request *request, void *input, size_t size,
                        void *user) {
  int ends[2];
  (void)input;
  (void)size;
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  CHECK_EQ(ob_spi_io_open(&io, user, io_ready, io_closed, NULL), OB_OK);
  CHECK_EQ(ob_spi_io_control(io, OB_IO_ADD, ends[0], 1, OB_IO_READ), 0);
  ob_complete(request, OB_OK, ob_result_none());
}
static void play_io(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  ob_call_opts opts = test_call(handle_wait, engine);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  await_count(&lost, 1, "sets that were told");
  check_ends(engine, threads, of);
  CHECK_EQ(lost, 1);
  CHECK_EQ(closed, 1);
}
TEST(with_descriptors_waited_for) {
  ASLEEP;
  with_each(play_io);
}

/* --- Deadlines --- */

/* Nobody submits anything any more: the timer alone brings the loop back. */
static void play_deadline(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  caller self = {0};
  ob_call_opts opts = test_call(handle_enter, NULL);
  ob_ticket *ticket;
  int rc;
  opts.deadline_ns = 300 * MS;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  await_count(&entered, 1, "handlers entered");
  self.engine = engine;
  self.opts = opts;
  self.thread = test_thread(call, &self);
  await_count(&entered, 2, "handlers entered");
  test_sleep_ms(20);
  take_over(of);
  test_join(self.thread);
  CHECK(self.status == OB_ETIMEDOUT || self.status == OB_EBROKEN);
  rc = ob_ticket_wait(ticket, 20 * S, NULL);
  CHECK(rc == OB_ETIMEDOUT || rc == OB_EBROKEN);
  ob_ticket_release(ticket);
  while (ob_post(engine, ran, NULL) != OB_EBROKEN) test_sleep_ms(1);
  ob_complete(kept[0], OB_OK, ob_result_none());
  ob_complete(kept[1], OB_OK, ob_result_none());
  check_ends(engine, threads, of);
}
TEST(deadlines_hold) {
  ASLEEP;
  with_each(play_deadline);
}

/* --- Completion queues --- */

static void play_cq(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  ob_call_opts opts = test_call(handle_enter, NULL);
  ob_cq_record record;
  ob_cq *cq;
  int rc;
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  opts.cq = cq;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  await_count(&entered, 1, "handlers entered");
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  while ((rc = ob_cq_next(cq, &record)) == OB_EBROKEN) test_sleep_ms(1);
  CHECK_EQ(rc, OB_OK);
  CHECK_EQ(record.status, OB_EBROKEN);
  ob_result_free(&record.result);
  CHECK_FAILS(ob_cq_next(cq, &record), OB_EBROKEN, "queue's descriptor");
  ob_complete(kept[0], OB_OK, ob_result_none());
  check_ends(engine, threads, of);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  check_strangers(of == EVENTFDS || of == EPOLLS ? NOTHING : of);
}
TEST(a_completion_queue) {
  ASLEEP;
  with_each(play_cq);
}
