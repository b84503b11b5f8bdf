/* Engines and handlers that many tests use. */
#include "harness.h"
#include "outboard_uv.h"

ob_engine *test_engine(void (*change)(ob_engine_opts *)) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *engine;
  if (change != NULL) change(&opts);
  CHECK_EQ(ob_engine_start(&engine, &opts), OB_OK);
  return engine;
}

void test_stop(ob_engine *engine) {
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

typedef struct asking {
  int made;
  char *text;
  size_t size;
} asking;

static void handle_ask(ob_request *request, void *input, size_t size,
                       void *user) {
  asking *a = user;
  (void)input, (void)size;
  a->made = ob_uv_loop(ob_request_engine(request)) != NULL;
  if (!a->made) snprintf(a->text, a->size, "%s", ob_last_error_detail());
  ob_complete(request, OB_OK, ob_result_none());
}

int test_ask(ob_engine *engine, char *text, size_t size) {
  asking a = {0, text, size};
  ob_call_opts opts = test_call(handle_ask, &a);
  opts.flags = OB_CALL_SYNC; /* needs no memory of its own */
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  return a.made;
}

void test_lend(ob_engine *engine) {
  char text[256];
  if (!test_ask(engine, text, sizeof text))
    test_fail(__FILE__, __LINE__, "no libuv loop: %s", text);
}

ob_call_opts test_call(ob_handler handler, void *user) {
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  opts.handler = handler;
  opts.user = user;
  return opts;
}

void handle_increment(ob_request *request, void *input, size_t size,
                      void *user) {
  int answer;
  (void)user;
  CHECK_EQ(size, sizeof(int));
  CHECK(ob_engine_current() == ob_request_engine(request));
  memcpy(&answer, input, sizeof answer);
  answer++;
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer)),
           OB_OK);
}

void handle_keep(ob_request *request, void *input, size_t size, void *user) {
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  __atomic_store_n((ob_request **)user, request, __ATOMIC_RELEASE);
}

void handle_block(ob_request *request, void *input, size_t size, void *user) {
  test_blocker *blocker = user;
  (void)input;
  (void)size;
  __atomic_store_n(&blocker->entered, 1, __ATOMIC_RELEASE);
  test_await(&blocker->gate);
  ob_complete(request, OB_OK, ob_result_none());
}

void test_block_loop(ob_engine *engine, test_blocker *blocker) {
  ob_call_opts opts = test_call(handle_block, blocker);
  blocker->entered = blocker->gate = 0;
  opts.name = "blocker";
  CHECK_EQ(ob_submit(&blocker->ticket, engine, &opts), OB_OK);
  test_await(&blocker->entered);
}

void test_unblock_loop(test_blocker *blocker) {
  __atomic_store_n(&blocker->gate, 1, __ATOMIC_RELEASE);
  CHECK_EQ(ob_ticket_wait(blocker->ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(blocker->ticket);
}
