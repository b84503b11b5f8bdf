/* More of outboard_spi.h: calls that tell whether they were accepted, threads,
 * monitors.
 *
 * ob_spi_call is ob_call without its fast path. A caller whose deadline expires
 * must know whether destroy will run, or it leaks the input or frees it twice;
 * ob_call's status does not say. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* As in call.c: the caller watches its own time. */
static int wait_answer(ob_engine *engine, ob__lane *lane, ob_request *request) {
  uint64_t deadline = ob__full_of(request)->deadline;
  int rc = OB_OK;
  ob__add_relaxed(&engine->callers, 1u);
  if (!ob__spin_caller(engine, lane->thread, &request->state))
    rc = ob__wait_request(request, deadline);
  if (rc == OB_ETIMEDOUT) ob__end_early(request, OB__END_TIMEOUT);
  rc = ob__request_status(request, ob__load_acquire(&request->state));
  ob__sub_relaxed(&engine->callers, 1u);
  ob__request_unref(request);
  return rc;
}

static int submit_and_wait(ob_engine *engine, ob__lane *lane,
                           const ob_call_opts *opts, int *accepted) {
  ob_request *request;
  int rc = ob__submit_full(&request, lane, opts, OB__FLAG_BLOCKED);
  if (rc != OB_OK) return rc;
  *accepted = 1;
  return wait_answer(engine, lane, request);
}

int ob_spi_call(ob_engine *engine, const ob_call_opts *opts, int *accepted) {
  ob__lane *lane;
  int rc, on_other_loop;
  *accepted = 0;
  rc = ob__enter(engine);
  if (rc == OB_OK) rc = ob__check_opts(opts, 0);
  if (rc != OB_OK) return rc;
  if (opts->deadline_ns == 0)
    return ob__fail(OB_ETIMEDOUT, "the deadline of 0 ns has passed");
  if (ob__on_loop(engine))
    return ob__fail(OB_EDEADLK,
                    "blocking on the loop thread of engine \"%s\" would wait "
                    "for itself",
                    engine->name);
  lane = ob__lane_get(engine);
  if (lane == NULL)
    return ob__fail(OB_ENOMEM, "no memory for this thread's lane");
  on_other_loop = ob__loop_self() != NULL;
  if (on_other_loop) {
    rc = ob__cycle_enter(&engine, 1, "callAndWait");
    if (rc != OB_OK) return rc;
  }
  rc = submit_and_wait(engine, lane, opts, accepted);
  if (on_other_loop) ob__cycle_leave();
  return rc;
}

/* --- Threads ----------------------------------------------------------------
 */

typedef struct start {
  const char *name;
  void (*fn)(void *);
  void *arg;
} start;

static void *run(void *memory) {
  start begin = *(start *)memory;
  free(memory);
  ob__thread_name(begin.name);
  begin.fn(begin.arg);
  return NULL;
}

int ob_spi_thread_start(const char *name, void (*fn)(void *), void *arg) {
  start *begin = malloc(sizeof *begin);
  pthread_t thread;
  int rc;
  if (begin == NULL) return ob__fail(OB_ENOMEM, "no memory for a thread");
  *begin = (start){name, fn, arg};
  rc = ob__thread_create(&thread, 0, run, begin);
  if (rc == 0) {
    pthread_detach(thread);
    return OB_OK;
  }
  free(begin);
  return ob__fail(OB_ESYSTEM, "no thread: %s", strerror(rc));
}

/* --- Monitors ---------------------------------------------------------------
 */

struct ob_monitor {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
};

ob_monitor *ob_spi_monitor_new(void) {
  ob_monitor *monitor = malloc(sizeof *monitor);
  if (monitor == NULL) return NULL;
  pthread_mutex_init(&monitor->mutex, NULL);
  if (ob__cond_init(&monitor->changed) == 0) return monitor;
  pthread_mutex_destroy(&monitor->mutex);
  free(monitor);
  return NULL;
}

void ob_spi_monitor_free(ob_monitor *monitor) {
  pthread_cond_destroy(&monitor->changed);
  pthread_mutex_destroy(&monitor->mutex);
  free(monitor);
}

void ob_spi_monitor_lock(ob_monitor *monitor) {
  pthread_mutex_lock(&monitor->mutex);
}

void ob_spi_monitor_unlock(ob_monitor *monitor) {
  pthread_mutex_unlock(&monitor->mutex);
}

void ob_spi_monitor_signal(ob_monitor *monitor) {
  pthread_cond_signal(&monitor->changed);
}

void ob_spi_monitor_wait(ob_monitor *monitor, uint64_t ns) {
  ob__cond_wait(&monitor->changed, &monitor->mutex, ob__deadline(ns));
}
