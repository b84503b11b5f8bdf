/* A shared object with a static copy of Outboard: copies.h tells what it shows.
 * Also compiled into a host, which then has a copy, too. */
#include <outboard.h>

#include "copies.h"

static void *start(void) {
  /* Through a union: a function's address is no object's in ISO C. */
  union {
    int (*function)(ob_engine **, const ob_engine_opts *);
    void *address;
  } at;
  at.function = ob_engine_start;
  return at.address;
}

static void *shared(void) {
  ob_engine *engine;
  return ob_engine_shared(&engine, NULL) == OB_OK ? engine : NULL;
}

static void *current(void) {
  return ob_engine_current();
}

static void increment(ob_request *request, void *input, size_t size,
                      void *user) {
  int answer = *(const int *)input + 1;
  (void)size;
  if (ob_engine_current() != (user != NULL ? NULL : ob_request_engine(request)))
    answer = -1;
  ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

static int call_once(ob_engine *engine, int number, uint32_t flags) {
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_result result;
  int rc, answer;
  call.handler = increment;
  call.input = &number;
  call.input_size = sizeof number;
  call.flags = flags;
  if (flags & OB_CALL_OFFLOAD) call.user = engine; /* no loop thread there */
  rc = ob_call(engine, &call, &result);
  if (rc != OB_OK) return rc;
  answer = *(const int *)ob_result_data(&result);
  ob_result_free(&result);
  return answer == number + 1 ? OB_OK : OB_EINVAL;
}

static int life(int calls) {
  ob_engine *engine;
  int rc = ob_engine_start(&engine, NULL), i;
  for (i = 0; rc == OB_OK && i < calls; i++)
    rc = call_once(engine, i, i % 8 == 7 ? OB_CALL_OFFLOAD : OB_CALL_SYNC);
  if (rc == OB_OK) rc = ob_engine_destroy(engine);
  return rc;
}

typedef struct work_of {
  int (*work)(void *);
  void *arg;
} work_of;

static void do_work(ob_request *request, void *input, size_t size, void *user) {
  const work_of *work = input;
  int answer = work->work(work->arg);
  (void)size;
  (void)user;
  ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

static int on_loop(int (*work)(void *), void *arg) {
  work_of given = {work, arg};
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_result result;
  int rc, answer;
  call.handler = do_work;
  call.input = &given;
  call.input_size = sizeof given;
  call.flags = OB_CALL_SYNC;
  rc = ob_call(shared(), &call, &result);
  if (rc != OB_OK) return rc;
  answer = *(const int *)ob_result_data(&result);
  ob_result_free(&result);
  return answer;
}

#ifndef COPY_FACE
#define COPY_FACE copy
#endif
extern const copy_face COPY_FACE;
__attribute__((visibility("default"))) const copy_face COPY_FACE = {
    ob_version_string, start, shared, current, life, on_loop};
