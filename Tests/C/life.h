/* The life of an engine in a process to which something is denied: all that an
 * engine does, each answer checked. Waits by looking at the clock: sleeping may
 * be what is denied. */
#ifndef LIFE_H
#define LIFE_H

#include <errno.h>
#include <signal.h>

#include "load.h"
#include "outboard_spi.h"
#include "stream_kit.h"

static int denied; /* the errno, or 0 */

static inline void until(const int *counter, int count, const char *what) {
  uint64_t end = test_now() + 20 * S;
  while (get(counter) < count) {
    if (test_now() > end) test_fail(__FILE__, __LINE__, "no %s", what);
    sched_yield();
  }
}

static inline void count_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  add(arg);
}

static inline void count_done(int status, ob_result *result, void *user) {
  CHECK_EQ(status, OB_OK);
  ob_result_free(result);
  add(user);
}

static int fired;

static inline void fire(ob_timer *timer, int status) {
  (void)timer;
  CHECK_EQ(status, OB_OK);
  add(&fired);
}

static inline void arm(void *timer, int status) {
  CHECK_EQ(status, OB_OK);
  ob_spi_timer_start(ob_engine_current(), timer, 2 * MS);
}

static inline void call_all(ob_engine *engine) {
  static ob_timer timer = {.fire = fire};
  ob_request *kept = NULL;
  ob_call_opts opts = test_call(handle_keep, &kept);
  int posted = 0, done = 0;
  for (int i = 0; i < 60; i++)
    call_with(engine,
              i % 4 == 0 ? OB_CALL_OFFLOAD
              : i % 2    ? OB_CALL_SYNC
                         : 0,
              i % 3 ? OB_FOREVER : 60 * S);
  opts.deadline_ns = 2 * MS;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
  flush(engine);
  if (kept != NULL)
    CHECK_EQ(ob_complete(kept, OB_OK, ob_result_none()), OB_ECANCELED);
  opts = test_call(handle_count, NULL);
  opts.on_done = count_done;
  opts.done_user = &done;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  CHECK_EQ(ob_post(engine, count_post, &posted), OB_OK);
  CHECK_EQ(ob_post(engine, arm, &timer), OB_OK);
  until(&done, 1, "completion");
  until(&posted, 1, "post");
  until(&fired, 1, "timer");
  fired = 0;
}

/* From other threads: wake-ups, parking, locks that are contended. */
static inline void *call_often(void *engine) {
  for (int i = 0; i < 100; i++)
    call_with(engine, i % 10 ? 0 : OB_CALL_OFFLOAD, OB_FOREVER);
  return NULL;
}

static inline void call_together(ob_engine *engine) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) threads[i] = test_thread(call_often, engine);
  for (int i = 0; i < 4; i++) test_join(threads[i]);
}

static inline void use_queue(ob_engine *engine) {
  uint64_t end = test_now() + 20 * S;
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_cq_record record;
  ob_cq *cq;
  int rc;
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  opts.cq = cq;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  while ((rc = ob_cq_next(cq, &record)) == OB_EAGAIN) CHECK(test_now() < end);
  CHECK_EQ(rc, OB_OK);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
}

static int gate, stalls;

static inline void handle_stall(ob_request *request, void *input, size_t size,
                                void *user) {
  (void)input;
  (void)size;
  (void)user;
  until(&gate, 1, "stall found");
  ob_complete(request, OB_OK, ob_result_none());
}

static inline void on_stall(const ob_stall *stall, void *user) {
  (void)user;
  CHECK(stall->held_ns > 0);
  add(&stalls);
  set(&gate, 1);
}

static inline void watch(ob_engine *engine) {
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  ob_call_opts opts = test_call(handle_stall, NULL);
  int rc;
  gate = stalls = 0;
  inspect.stall_ns = 10 * MS;
  inspect.on_stall = on_stall;
  inspect.stack_signal = SIGUSR1;
  rc = ob_inspect(engine, &inspect);
  if (rc != OB_OK && rc != OB_EINVAL)
    test_fail(__FILE__, __LINE__, "%s", ob_last_error_detail());
  if (rc != OB_OK) { /* stalls are seen without their stacks, then */
    CHECK_FAILS(rc, OB_EINVAL, strerror(denied));
    inspect.stack_signal = 0;
    CHECK_EQ(ob_inspect(engine, &inspect), OB_OK);
  }
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  until(&stalls, 1, "stall");
}

static inline void use_stream(ob_engine *engine) {
  counter count = {0, 50, 0, 0, 0};
  ob_stream *stream = open_counter(engine, &count, 4);
  for (int i = 0; i < 50; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, 42);
  ob_stream_release(stream);
  until(&count.destroyed, 1, "end of the stream");
}

/* 0, or an errno: a child is begun and its end is told, or neither. How it ends
 * is not ours to say: the same is denied to it. */
static inline int use_child(void) {
  static char *const argv[] = {"true", NULL};
  int null = ob_spi_null(), how, code, pidfd, rc;
  ob_spawn spawn = {"/bin/true", argv, NULL, NULL, {null, null, null}, 0};
  uint64_t end = test_now() + 20 * S;
  int32_t pid;
  if (null < 0) return -null;
  rc = ob_spi_spawn(&spawn, &pid, &pidfd);
  close(null);
  if (rc != 0) return rc;
  while ((rc = ob_spi_reap(pidfd, &how, &code)) == EAGAIN)
    CHECK(test_now() < end);
  close(pidfd);
  return rc;
}

#endif
