/* What unwinds out of a handler, hook or callback ends the process with cause
 * and cure, wherever the core calls out. The exceptions are raised as a C++
 * runtime does it, but without a catch anywhere: an unguarded core would let
 * them pass, and the raise would come back. Tests/Cpp has real ones, with a
 * catch further up. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <unwind.h>

#include "outboard_uv.h"
#include "probe.h"

#define CXX "outboard: a C++ exception came out of a handler, callback or hook"

static struct _Unwind_Exception exception;

static void raise_one(const char *language) {
  memcpy(&exception.exception_class, language, 8);
  /* Little-endian: the class is the eight characters, most significant first.
   */
  exception.exception_class = __builtin_bswap64(exception.exception_class);
  _Unwind_RaiseException(&exception);
}

static void boom(void) {
  raise_one("GNUCC++\0");
}

/* --- Calls --- */

static void handle_boom(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  (void)user;
  boom();
  ob_complete(request, OB_OK, ob_result_none());
}

static void call_flagged(uint32_t flags, uint64_t deadline_ns) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_boom, NULL);
  opts.flags = flags;
  opts.deadline_ns = deadline_ns;
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

TEST_ABORTS(handler_of_a_bare_call, CXX) {
  call_flagged(OB_CALL_SYNC, OB_FOREVER);
}
TEST_ABORTS(handler_of_a_full_call, CXX) {
  call_flagged(0, UINT64_C(60000000000));
}
TEST_ABORTS(handler_on_the_pool, CXX) {
  call_flagged(OB_CALL_OFFLOAD, OB_FOREVER);
}

/* The call's name is said. */
TEST_ABORTS(the_call_is_named, "hook during the call \"lookup\"") {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_boom, NULL);
  opts.name = "lookup";
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

TEST_ABORTS(the_cure_is_named,
            "cure: catch it there and answer with a status") {
  call_flagged(0, OB_FOREVER);
}

static void handle_inline(ob_request *request, void *input, size_t size,
                          void *user) {
  ob_call_opts opts = test_call(handle_boom, NULL);
  (void)input;
  (void)size;
  (void)user;
  opts.flags = OB_CALL_SYNC;
  ob_call(ob_request_engine(request), &opts, NULL);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST_ABORTS(handler_of_an_inline_call, CXX) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_inline, NULL);
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

static void handle_rust(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  (void)user;
  raise_one("MOZ\0RUST");
  ob_complete(request, OB_OK, ob_result_none());
}

TEST_ABORTS(a_panic_of_another_language, "an exception or panic came out of") {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_rust, NULL);
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

/* --- What belongs to calls --- */

static void handle_ok(ob_request *request, void *input, size_t size,
                      void *user) {
  (void)input;
  (void)size;
  (void)user;
  ob_complete(request, OB_OK, ob_result_none());
}

static void done_boom(int status, ob_result *result, void *done_user) {
  (void)status;
  (void)result;
  (void)done_user;
  boom();
}

static void submit_done(uint32_t flags, uint64_t deadline_ns) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_ok, NULL);
  opts.flags = flags;
  opts.deadline_ns = deadline_ns;
  opts.on_done = done_boom;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  test_stop(engine);
}

TEST_ABORTS(on_done_of_a_lone_call, CXX) {
  submit_done(OB_CALL_SYNC, OB_FOREVER);
}
TEST_ABORTS(on_done_of_a_full_call, CXX) {
  submit_done(0, UINT64_C(60000000000));
}

static void destroy_boom(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
  boom();
}

TEST_ABORTS(destroy_of_an_input, CXX) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_ok, NULL);
  opts.destroy = destroy_boom;
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

TEST_ABORTS(destroy_of_a_refused_input, CXX) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_ok, NULL);
  opts.destroy = destroy_boom;
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ESHUTDOWN);
}

TEST_ABORTS(destroy_of_a_result, CXX) {
  ob_result result = ob_result_own(&exception, 1, destroy_boom, NULL);
  ob_result_free(&result);
}

static void hook_boom(ob_request *request, void *arg) {
  (void)request;
  (void)arg;
  boom();
}

static void handle_hook(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  CHECK_EQ(ob_request_on_cancel(request, hook_boom, NULL), OB_OK);
  __atomic_store_n((int *)user, 1, __ATOMIC_RELEASE);
}

TEST_ABORTS(cancel_hook, CXX) {
  int runs = 0;
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_hook, &runs);
  ob_ticket *ticket;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  test_await(&runs);
  ob_ticket_cancel(ticket);
  ob_engine_stop(engine, OB_STOP_CANCEL, UINT64_C(500000000));
}

/* --- Posts --- */

static void post_boom(void *arg, int status) {
  (void)arg;
  (void)status;
  boom();
}

TEST_ABORTS(post, CXX) {
  ob_engine *engine = test_engine(NULL);
  CHECK_EQ(ob_post(engine, post_boom, NULL), OB_OK);
  test_stop(engine);
}

static void node_boom(ob_node *node, int status) {
  (void)node;
  (void)status;
  boom();
}

TEST_ABORTS(node, CXX) {
  static ob_node node = {NULL, node_boom};
  ob_engine *engine = test_engine(NULL);
  CHECK_EQ(ob_post_node(engine, &node), OB_OK);
  test_stop(engine);
}

/* --- The engine's hooks, and libuv's callbacks --- */

static void start_boom(ob_engine *engine, ob_start_token *token, void *user) {
  (void)engine;
  (void)user;
  boom();
  ob_start_done(token, OB_OK, NULL);
}
static void with_start(ob_engine_opts *opts) {
  opts->on_start = start_boom;
}
TEST_ABORTS(on_start, CXX) {
  test_stop(test_engine(with_start));
}

static void stop_boom(ob_engine *engine, void *user) {
  (void)engine;
  (void)user;
  boom();
}
static void with_stop(ob_engine_opts *opts) {
  opts->on_stop = stop_boom;
}
TEST_ABORTS(on_stop, CXX) {
  test_stop(test_engine(with_stop));
}

static void timer_boom(uv_timer_t *timer) {
  boom();
  ob_complete(timer->data, OB_OK, ob_result_none());
}

static void handle_timer(ob_request *request, void *input, size_t size,
                         void *user) {
  static uv_timer_t timer;
  (void)input;
  (void)size;
  (void)user;
  uv_timer_init(ob_uv_loop(ob_request_engine(request)), &timer);
  timer.data = request;
  uv_timer_start(&timer, timer_boom, 1, 0);
}

TEST_ABORTS(callback_of_libuv, CXX) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_timer, NULL);
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

static void stall_boom(const ob_stall *stall, void *user) {
  (void)stall;
  boom();
  __atomic_store_n(&((test_blocker *)user)->gate, 1, __ATOMIC_RELEASE);
}

TEST_ABORTS(stall_hook, CXX) {
  test_blocker blocker = {0, 0, NULL};
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts look = OB_INSPECT_OPTS_INIT;
  ob_call_opts opts = test_call(handle_block, &blocker);
  look.flags = OB_INSPECT_WATCH;
  look.stall_ns = 1000000;
  look.on_stall = stall_boom;
  look.stall_user = &blocker;
  CHECK_EQ(ob_inspect(engine, &look), OB_OK);
  ob_call(engine, &opts, NULL);
  test_stop(engine);
}

/* --- Streams --- */

static void produce_boom(ob_emitter *emitter, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  (void)user;
  boom();
  ob_emitter_end(emitter, OB_OK);
}

static void open_one(void (*change)(ob_stream_opts *), int emit) {
  ob_engine *engine = test_engine(NULL);
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_emitter *emitter = NULL;
  ob_stream *stream;
  ob_result item = ob_result_copy("x", 1);
  int status;
  change(&opts);
  CHECK_EQ(ob_stream_open(&stream, emit ? &emitter : NULL, engine, &opts),
           OB_OK);
  if (emit) {
    CHECK_EQ(ob_emitter_emit(emitter, &item), OB_OK);
    ob_emitter_end(emitter, OB_OK);
  } else {
    ob_stream_next(stream, OB_FOREVER, &item, &status);
  }
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  ob_stream_release(stream);
}

static void with_producer(ob_stream_opts *opts) {
  opts->start = produce_boom;
}
TEST_ABORTS(producer, CXX) {
  open_one(with_producer, 0);
}
static void with_offload(ob_stream_opts *opts) {
  opts->start = produce_boom;
  opts->flags = OB_CALL_OFFLOAD;
}
TEST_ABORTS(producer_on_the_pool, CXX) {
  open_one(with_offload, 0);
}

static void ready_boom(ob_stream *stream, void *user) {
  (void)stream;
  (void)user;
  boom();
}
static void with_ready(ob_stream_opts *opts) {
  opts->on_ready = ready_boom;
}
TEST_ABORTS(on_ready, CXX) {
  open_one(with_ready, 1);
}

static void gone_boom(void *user) {
  (void)user;
  boom();
}
static void with_gone(ob_stream_opts *opts) {
  opts->ready_destroy = gone_boom;
}
TEST_ABORTS(ready_destroy, CXX) {
  open_one(with_gone, 1);
}

/* --- pthread_exit --- */

static void handle_exit(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)request;
  (void)input;
  (void)size;
  (void)user;
  pthread_exit(NULL);
}

TEST_ABORTS(a_handler_that_ends_its_thread, "ended the engine's own thread") {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_exit, NULL);
  ob_call(engine, &opts, NULL);
}

static void destroy_exit(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
  pthread_exit(NULL);
}

static void *free_and_exit(void *arg) {
  ob_result result = ob_result_own(arg, 1, destroy_exit, NULL);
  ob_result_free(&result);
  *(int *)arg = 1;
  return NULL;
}

/* The host's own thread may go. */
TEST(a_destructor_that_ends_the_hosts_thread) {
  int came_back = 0;
  test_join(test_thread(free_and_exit, &came_back));
  CHECK_EQ(came_back, 0);
}
