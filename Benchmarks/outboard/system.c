/* Outboard through its public API, with its defaults. */
#include <outboard.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static void *start(void) {
  ob_engine *engine;
  if (ob_engine_start(&engine, NULL) != OB_OK) {
    fprintf(stderr, "outboard: %s\n", ob_last_error_detail());
    exit(1);
  }
  return engine;
}

static void stop(void *ctx) {
  ob_engine_destroy(ctx);
}

static void increment(ob_request *request, void *input, size_t size,
                      void *user) {
  int answer = *(const int *)input + 1;
  (void)size;
  (void)user;
  ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

static int sync_call(void *ctx, int x) {
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_result result;
  call.handler = increment;
  call.input = &x;
  call.input_size = sizeof x;
  call.flags = OB_CALL_SYNC;
  if (ob_call(ctx, &call, &result) != OB_OK) return -1;
  return *(const int *)ob_result_data(&result);
}

static void count(void *arg, int status) {
  uint64_t *n = arg;
  (void)status;
  __atomic_store_n(n, *n + 1, __ATOMIC_RELEASE);
}

static void post(void *ctx, uint64_t *n) {
  ob_post(ctx, count, n);
}

const bench_system bench_subject = {"outboard", start, stop, sync_call, post};
