/* ob_call: answers, contents, threads, and its misuse. */
#include "harness.h"

TEST(answers_on_the_loop) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_increment, NULL);
  ob_result result;
  int i;
  opts.input_size = sizeof i;
  opts.input = &i;
  for (i = 0; i < 1000; i++) {
    opts.flags = i % 2 ? OB_CALL_SYNC : 0;
    opts.deadline_ns = i % 3 ? OB_FOREVER : 60000000000u;
    CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
    CHECK_EQ(result.size, sizeof(int));
    CHECK_EQ(*(const int *)ob_result_data(&result), i + 1);
    ob_result_free(&result);
  }
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  test_stop(engine);
}

static void handle_status(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input;
  (void)size;
  ob_complete(request, *(int *)user, ob_result_none());
}

TEST(passes_the_handlers_status_on) {
  ob_engine *engine = test_engine(NULL);
  int status;
  ob_call_opts opts = test_call(handle_status, &status);
  for (status = -3; status < 4; status++)
    CHECK_EQ(ob_call(engine, &opts, NULL), status);
  test_stop(engine);
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_increment, NULL), bad;
  ob_result result;
  CHECK_FAILS(ob_call(NULL, &opts, &result), OB_EINVAL, "engine");
  CHECK_FAILS(ob_call(engine, NULL, &result), OB_EINVAL, "opts");
  bad = opts;
  bad.handler = NULL;
  CHECK_FAILS(ob_call(engine, &bad, &result), OB_EINVAL, "handler");
  bad = opts;
  bad.size = 8;
  CHECK_FAILS(ob_call(engine, &bad, &result), OB_EINVAL, "OB_CALL_OPTS_INIT");
  bad = opts;
  bad.flags = 1u << 9;
  CHECK_FAILS(ob_call(engine, &bad, &result), OB_EINVAL, "flags");
  bad = opts;
  bad.flags = OB_CALL_SYNC | OB_CALL_OFFLOAD;
  CHECK_FAILS(ob_call(engine, &bad, &result), OB_EINVAL, "exclude");
  bad = opts;
  bad.input_size = 4;
  CHECK_FAILS(ob_call(engine, &bad, &result), OB_EINVAL, "input");
  bad = opts;
  bad.deadline_ns = 0;
  CHECK_FAILS(ob_call(engine, &bad, &result), OB_ETIMEDOUT, "0 ns");
  CHECK_EQ(result.size, 0);
  test_stop(engine);
}

static void handle_silent(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)request;
  (void)input;
  (void)size;
  (void)user;
}

TEST_ABORTS(sync_handler_that_never_answers, "answer before returning") {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_silent, NULL);
  opts.flags = OB_CALL_SYNC;
  ob_call(engine, &opts, NULL);
}
